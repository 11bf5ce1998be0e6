"""Recipe of multipart, which cachescope needs and the builtin repository does not have."""

from spack.package import depends_on, license, version
from spack_repo.builtin.build_systems.python import PythonPackage


class PyMultipart(PythonPackage):
    """A parser for multipart/form-data."""

    homepage = "https://github.com/defnull/multipart"
    pypi = "multipart/multipart-2.0.1.tar.gz"

    license("MIT")

    version("2.0.1", sha256="5dfea7ce4260e10a9e620369449e7d41c269a94e192db9ea4af1a0059cddd370")

    depends_on("python@3.10:", type=("build", "run"))
    depends_on("py-flit-core@3.9:3", type="build")
