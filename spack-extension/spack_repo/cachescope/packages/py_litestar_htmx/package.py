"""Recipe of litestar-htmx, which cachescope needs and the builtin repository does not have."""

from spack.package import depends_on, license, version
from spack_repo.builtin.build_systems.python import PythonPackage


class PyLitestarHtmx(PythonPackage):
    """The plug-in of Litestar for htmx."""

    homepage = "https://github.com/litestar-org/litestar-htmx"
    pypi = "litestar-htmx/litestar_htmx-0.5.0.tar.gz"

    license("MIT")

    version("0.5.0", sha256="e02d1a3a92172c874835fa3e6749d65ae9fc626d0df46719490a16293e2146fb")

    depends_on("python@3.9:", type=("build", "run"))
    depends_on("py-hatchling", type="build")
