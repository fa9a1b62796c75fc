"""What `pyproject.toml` cannot say: the top-level folders are installed inside one package, `vitrina`."""

from setuptools import find_namespace_packages, setup

FOLDERS = ("search", "indexer", "api", "evaluation", "tuning")

setup(
    packages=[
        "vitrina",
        "vitrina.client",
        *(
            f"vitrina.{name}"
            for name in find_namespace_packages(include=[*FOLDERS, *(f"{each}.*" for each in FOLDERS)])
        ),
    ],
    package_dir={"vitrina": "vitrina", **{f"vitrina.{folder}": folder for folder in FOLDERS}},
)
