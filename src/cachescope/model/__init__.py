"""Frozen values of the field: identities, mirrors, specs, records, manifests, results, errors.

Standard library only; no I/O, no SQL, no clock. Read in this order: identity, mirror, spec, record, manifest, results.
"""
