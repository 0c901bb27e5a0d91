"""Peers: built once for each recipe, and absent with a reason where that fails."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.measuring.errors import AbsentError
from testbed.subjects import SUBJECTS
from testbed.subjects.base import PIPELINES, Ports, expand
from testbed.subjects.peer import Peer, run


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Peer]:
    """Make a peer that is built by a function."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = tmp_path / "recipe"
    recipe.write_text("version 1", encoding="utf-8")
    return lambda build: Peer("other", recipe, "other", build)


def test_is_built_once_for_each_recipe(peer: Callable[..., Peer]) -> None:
    """The second time it is there; another recipe is another build."""
    builds = []

    def build(recipe: Path, folder: Path) -> None:
        builds.append(recipe.read_text(encoding="utf-8"))
        (folder / "other").touch()

    it = peer(build)
    with pytest.raises(AbsentError, match="run make testbed-peers"):
        it.path()
    assert it.ensure() == it.ensure() == it.path()
    it.recipe.write_text("version 2", encoding="utf-8")
    it.ensure()

    assert builds == ["version 1", "version 2"]


def test_says_why_it_could_not_be_built(peer: Callable[..., Peer]) -> None:
    """The last lines of what failed are kept, and a later build that works removes them."""
    fails = True

    def build(recipe: Path, folder: Path) -> None:
        if fails:
            run(sys.executable, "-c", "import sys; sys.exit('no such module')", directory=folder)
        (folder / "other").touch()

    it = peer(build)
    for ask in (it.ensure, it.path):
        with pytest.raises(AbsentError, match="status 1: no such module"):
            ask()
    fails = False

    assert it.ensure() == it.path()


def test_a_missing_tool_is_named(peer: Callable[..., Peer]) -> None:
    """Without Go there is no Go collector, and that is what the report says."""
    it = peer(lambda recipe, folder: run("no-such-tool", directory=folder))

    with pytest.raises(AbsentError, match="no-such-tool is not on the PATH"):
        it.ensure()


def test_configurations_refer_to_variables_that_there_are() -> None:
    """No file in `pipelines` asks for what nobody sets, and each belongs to a subject."""
    variables = Ports("grpc:1", "http:2", "sink:3", "gzip").environment()
    files = sorted(PIPELINES.glob("*/*.yaml"))

    assert len(files) > 5
    for file in files:
        text = expand(file.read_text(encoding="utf-8"), variables)
        assert "${" not in text, file
        assert file.name.split(".")[0] in SUBJECTS, file


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_subject_can_do_the_simplest_pipeline(name: str) -> None:
    """A subject that has no configuration of its own takes that of another."""
    assert SUBJECTS[name].configuration("pass", "same").exists()


def test_a_subject_without_a_configuration_is_absent() -> None:
    """The reason names the file that would have to be there."""
    with pytest.raises(AbsentError, match=r"testbed/pipelines/chain/rotel\.yaml"):
        SUBJECTS["rotel"].configuration("chain", "same")
    with pytest.raises(AbsentError, match="does not take zstd"):
        SUBJECTS["spanmill"].check("http", "zstd")
