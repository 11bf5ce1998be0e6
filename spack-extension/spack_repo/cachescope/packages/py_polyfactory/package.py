"""Recipe of polyfactory, which cachescope needs and the builtin repository does not have."""

from spack.package import depends_on, license, version
from spack_repo.builtin.build_systems.python import PythonPackage


class PyPolyfactory(PythonPackage):
    """Makes test data from type hints; Litestar imports it."""

    homepage = "https://github.com/litestar-org/polyfactory"
    pypi = "polyfactory/polyfactory-3.5.0.tar.gz"

    license("MIT")

    version("3.5.0", sha256="78a1e4cf8f317be7da7c111d661f39db35080ec9c12b8df7c01dfbbc1c17250f")

    depends_on("python@3.9:", type=("build", "run"))
    depends_on("py-hatchling", type="build")
    depends_on("py-faker@5:", type=("build", "run"))
    depends_on("py-typing-extensions@4.6:", type=("build", "run"))
