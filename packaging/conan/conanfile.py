"""libanwdl for Conan 2: `conan create packaging/conan` from the top of the sources. Cargo and a C compiler have to be there."""

import os
import shutil
import subprocess
from pathlib import Path

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import cross_building
from conan.tools.env import VirtualBuildEnv
from conan.tools.files import copy, rmdir

required_conan_version = ">=2.0"


class Anwdl(ConanFile):
    name = "anwdl"
    description = "Talk to Anweddol clients from C and C++"
    license = "MIT OR Apache-2.0"
    topics = ("anweddol", "network")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": True}
    # Cargo builds both libraries at once, and again only what differs.
    no_copy_source = True

    @property
    def _top(self) -> Path:
        return Path(self.recipe_folder).parents[1]

    def set_version(self) -> None:
        self.version = subprocess.check_output([self._top / "scripts" / "version"], text=True).strip()

    def export_sources(self) -> None:
        def left_out(folder: str, names: list[str]) -> list[str]:
            made = (name for name in ("target", "node_modules") if Path(folder, name).is_dir())
            return [".git", *made]

        shutil.copytree(self._top, self.export_sources_folder, symlinks=True, ignore=left_out, dirs_exist_ok=True)

    def validate(self) -> None:
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("this recipe is for Linux")
        if cross_building(self):
            raise ConanInvalidConfiguration("this recipe builds for the machine that it runs on; see docs/packaging.md for others")

    def configure(self) -> None:
        # There is no C++ in the libraries.
        self.settings.rm_safe("compiler.libcxx")
        self.settings.rm_safe("compiler.cppstd")

    def package_id(self) -> None:
        # Cargo's release profile builds all of them.
        self.info.settings.rm_safe("build_type")

    def generate(self) -> None:
        VirtualBuildEnv(self).generate()

    @property
    def _build(self) -> str:
        return f"CARGO_TARGET_DIR='{os.environ.get('CARGO_TARGET_DIR', self.build_folder)}'"

    def build(self) -> None:
        self.run(f"make {self._build} library", cwd=self.source_folder)

    def package(self) -> None:
        self.run(f"make {self._build} prefix='{self.package_folder}' install", cwd=self.source_folder)
        package = Path(self.package_folder)
        for name in ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY.md"):
            copy(self, name, self.source_folder, str(package / "licenses"))
        # What a program needs with the static library, Conan's files for other build systems say.
        described = (package / "lib" / "pkgconfig" / "anwdl.pc").read_text()
        (private,) = (line for line in described.splitlines() if line.startswith("Libs.private:"))
        (package / "lib" / "system-libraries").write_text(private.partition(":")[2].replace("-l", ""))
        for folder in ("share", "lib/pkgconfig"):
            rmdir(self, str(package / folder))
        for library in (package / "lib").glob("libanwdl.a" if self.options.shared else "libanwdl.so*"):
            library.unlink()

    def package_info(self) -> None:
        self.cpp_info.libs = ["anwdl"]
        self.cpp_info.set_property("cmake_file_name", "anwdl")
        self.cpp_info.set_property("cmake_target_name", "anwdl::anwdl")
        self.cpp_info.set_property("pkg_config_name", "anwdl")
        if not self.options.shared:
            self.cpp_info.system_libs = (Path(self.package_folder) / "lib" / "system-libraries").read_text().split()
