"""Put the files that a clone has at its top into the package when it is built; everything else is in setup.cfg.

``zapsim.shipped`` finds them: in ``zapsim/_shipped`` of a wheel, at the top of a clone (so also if it is installed as
editable).
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = (
    "arch_configs/*.yaml",
    "arch_configs/dram/*.yaml",
    "validation/*.yaml",
    "validation/*.csv",
    "examples/*.yaml",
    "examples/mynet.py",
    "examples/zap_*.csv",
    "schemas/*.json",
    "traces/vgg16_hed_chelsea.safetensors",
    "traces/vgg16_hed_chelsea_1_3.safetensors",
    "traces/vgg16_hed_chelsea_2_5.safetensors",
    "traces/digits_cnn.safetensors",
    "traces/efficientnet_lite0_chelsea.safetensors",
    "traces/vgg8_fashion_*.safetensors",
    "traces/*.zap.safetensors",
)
"""What a wheel and an sdist hold of these folders. The traces are those that .gitignore keeps."""


def shipped_files() -> list[str]:
    """List the files of :data:`SHIPPED`, relative to the clone, sorted; every pattern must fit one."""
    files = []
    for pattern in SHIPPED:
        found = [path.as_posix() for path in Path().glob(pattern)]
        if not found:
            raise SystemExit(f"setup.py: no file fits {pattern}, so the package would not be whole")
        files += found
    return sorted(files)


class BuildWithShippedFiles(build_py):
    """Build the package and copy the shipped files into it, unless it stays where it is (an editable installation)."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        shutil.rmtree(self._target(), ignore_errors=True)  # of an earlier build, which may hold other files
        for file in shipped_files():
            target = self._target() / file
            self.mkpath(str(target.parent))
            self.copy_file(file, str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """List the files that a build makes."""
        outputs = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, *(str(self._target() / file) for file in shipped_files())]

    def get_source_files(self) -> list[str]:
        """List the files that a build needs, which an sdist must hold."""
        return [*super().get_source_files(), *shipped_files()]

    def _target(self) -> Path:
        return Path(self.build_lib) / "zapsim" / "_shipped"


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithShippedFiles})
