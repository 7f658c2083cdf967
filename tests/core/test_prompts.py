"""Languages are data (FL-19): words and prompts of a fourth one come by files alone; what is missing stops the dialing."""

import re
import wave
from pathlib import Path

import pytest

from asterisk_conf import prompts
from backoffice_core.catalogue import FOLDER, Catalogue
from backoffice_core.config import Settings
from backoffice_core.errors import PartMissing
from tests.conftest import fresh_settings


def pseudo(text: str) -> str:
    """An English catalogue with every sentence in brackets and its vowels marked; places for values stay."""
    marked = str.maketrans("aeiouAEIOU", "àéîöüÀÉÎÖÜ")

    def sentence(line: str) -> str:
        key, equals, said = line.partition(" = ")
        if not equals or line.startswith(("#", " ", "\t")) or not said.strip():
            return line
        parts = re.split(r"(\{[^}]*\}?)", said)
        whole = "".join(part if part.startswith("{") else part.translate(marked) for part in parts)
        return f"{key} = [{whole}]" if said.count("{") == said.count("}") else line

    return "\n".join(map(sentence, text.splitlines()))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A house with the pseudo-language qps: one file of words, one folder of texts."""
    settings = fresh_settings(tmp_path / "data")
    settings.own_words.mkdir(parents=True)
    (settings.own_words / "qps.ftl").write_text(
        pseudo((FOLDER / "en.ftl").read_text(encoding="utf-8")), encoding="utf-8"
    )
    folder = settings.own_prompts / "qps"
    folder.mkdir(parents=True)
    for name in prompts.names():
        (folder / f"{name}.txt").write_text("voice: en\nHéllö. This is {bank_phone}.", encoding="utf-8")
    return settings


def test_fl19_a_fourth_language_is_offered_with_all_its_words(settings: Settings) -> None:
    offered = Catalogue.load(FOLDER, settings.own_words)
    words = offered.words("qps")
    assert offered.languages == ("uk", "ru", "en", "qps")
    assert (words("nav-floor"), words.code("outcome", "PTP_FULL")[0]) == ("[Flöör]", "[")
    assert words("stopped-by", name="Olha", time="10:00").count("Olha") == 1


def test_fl19_its_prompts_are_spoken_and_named_in_the_dialplan(settings: Settings, tmp_path: Path) -> None:
    from asterisk_conf import render
    from tests.real_asterisk.test_configuration import NOWHERE

    target = tmp_path / "etc"
    render(settings, NOWHERE, [], target)
    made = prompts.sounds_dir(settings) / "qps" / "abandoned.wav"
    with wave.open(str(made)) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (8000, 1)
        assert sound.getnframes() > 8000
    assert "(en|qps|ru|uk)" in (target / "extensions.conf").read_text()
    assert prompts.missing(settings) == []
    assert prompts.provide(settings) == []  # once made, it stays


def test_fl19_a_missing_prompt_is_named(settings: Settings) -> None:
    (settings.own_prompts / "qps" / "abandoned.txt").unlink()
    (settings.own_prompts / "qps" / "other.txt").write_text("x")
    prompts.provide(settings)
    assert prompts.missing(settings) == ["qps/abandoned"]
    origin = {(one.language, one.name): one.origin for one in prompts.wanted(settings)}
    assert (origin["qps", "abandoned"], origin["uk", "abandoned"]) == ("MISSING", "SHIPPED")


def test_fl19_a_voice_that_does_not_exist_is_refused_with_the_remedy(settings: Settings) -> None:
    (settings.own_prompts / "qps" / "abandoned.txt").write_text("no voice named")
    with pytest.raises(PartMissing, match="qps"):
        prompts.provide(settings)
