"""Recipe of litestar, which cachescope needs and the builtin repository does not have."""

from spack.package import depends_on, license, version
from spack_repo.builtin.build_systems.python import PythonPackage


class PyLitestar(PythonPackage):
    """A framework for web services with typed handlers."""

    homepage = "https://litestar.dev/"
    pypi = "litestar/litestar-2.25.0.tar.gz"

    license("MIT")

    version("2.25.0", sha256="7fad91fcd89367fcd26534ab19b6b05763cc67ab9574baa914546089e1ed1fb4")

    depends_on("python@3.8:", type=("build", "run"))
    depends_on("py-hatchling", type="build")
    depends_on("py-anyio@3:", type=("build", "run"))
    depends_on("py-click", type=("build", "run"))
    depends_on("py-httpx@0.22:", type=("build", "run"))
    depends_on("py-litestar-htmx@0.4:", type=("build", "run"))
    depends_on("py-msgspec@0.18.2:", type=("build", "run"))
    depends_on("py-multidict@6.0.2:", type=("build", "run"))
    depends_on("py-multipart@1.2:", type=("build", "run"))
    depends_on("py-polyfactory@2.6.3:", type=("build", "run"))
    depends_on("py-pyyaml", type=("build", "run"))
    depends_on("py-rich@13:", type=("build", "run"))
    depends_on("py-rich-click", type=("build", "run"))
    depends_on("py-sniffio@1.3.1:", type=("build", "run"))
    depends_on("py-typing-extensions", type=("build", "run"))
