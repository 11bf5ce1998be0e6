"""Recipe of cachescope itself."""

from spack.package import depends_on, license, version
from spack_repo.builtin.build_systems.python import PythonPackage


class PyCachescope(PythonPackage):
    """The catalogue and service for Spack binary build caches: what is in them, whether it is whole, and what to do."""

    homepage = "https://github.com/cachescope/cachescope"
    git = "https://github.com/cachescope/cachescope.git"

    license("MIT")

    version("main", branch="main")

    depends_on("python@3.11:", type=("build", "run"))
    depends_on("py-pdm-backend@2.4:", type="build")
    depends_on("py-alembic@1.15:", type=("build", "run"))
    depends_on("py-archspec@0.2.5:", type=("build", "run"))
    depends_on("py-click@8.2:", type=("build", "run"))
    depends_on("py-jinja2@3.1.6:", type=("build", "run"))
    depends_on("py-litestar@2.15:", type=("build", "run"))
    depends_on("py-msgspec@0.20:", type=("build", "run"))
    depends_on("py-platformdirs@4.3:", type=("build", "run"))
    depends_on("py-rich@14:", type=("build", "run"))
    depends_on("py-sqlalchemy@2.0.40:", type=("build", "run"))
    depends_on("py-urllib3@2.5:", type=("build", "run"))
    depends_on("py-uvicorn@0.34:", type=("build", "run"))
    depends_on("py-zstandard@0.23:", type=("build", "run"))
