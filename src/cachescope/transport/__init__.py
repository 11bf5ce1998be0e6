"""The only sockets and files. ``source`` holds the contract, ``opening`` makes what fulfils it, ``writer`` writes."""
