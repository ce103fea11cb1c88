"""The notice tells visitors, in their language, what this very configuration does, and promises no more."""

from __future__ import annotations

import re
import tomllib
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING, Any, get_args

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.commands.notice.kinds import Kinds, kinds_of
from agent.commands.notice.sheet import FORMATS, LANGUAGES, render_notice
from agent.errors import ConfigError
from agent.settings import DeploymentSettings, PrivacySettings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

PROHIBITED = ("workplace", "education")
CONTEXTS = [
    context
    for context in get_args(DeploymentSettings.model_fields["context"].annotation)
    if context not in PROHIBITED
]


def deployment(**changes: Any) -> DeploymentSettings:
    facts = {"site": "hall", "device": "door-1", "context": "museum", "operator": "City Museum",
             "contact": "privacy@museum.example"}  # fmt: skip
    return DeploymentSettings(**{**facts, **changes})


def keys(tables: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for key, value in tables.items():
        found |= keys(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return found


def words(language: str) -> dict[str, Any]:
    file = resources.files("agent.commands.notice") / "languages" / f"{language}.toml"
    return tomllib.loads(file.read_text("utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_all_that_the_english_notice_says(language: str) -> None:
    assert keys(words(language)) == keys(words("en"))
    placeholders = re.compile(r"\{\w+\}")
    assert placeholders.findall(str(words(language))) == placeholders.findall(str(words("en")))


def test_there_is_no_text_that_is_not_offered() -> None:
    files = {entry.name for entry in (resources.files("agent.commands.notice") / "languages").iterdir()}
    assert files == {f"{language}.toml" for language in LANGUAGES}


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_operator_contact_place_and_threshold_are_on_every_sheet(language: str, format_name: str) -> None:
    sheet = render_notice(
        deployment(), PrivacySettings(min_count=7, window_s=600.0), language=language, format=format_name
    )
    for fact in ("City Museum", "privacy@museum.example", "hall, door-1", "2024/1689", "10 ", " 7 "):
        assert fact in sheet, fact
    assert "{" not in re.sub(r"<style>.*</style>", "", sheet)
    assert sheet.endswith("\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_speaks_of_expressions_and_never_of_feelings(language: str) -> None:
    sheet = render_notice(deployment(), PrivacySettings(epsilon=1.0), language=language).lower()
    assert not re.search(r"feel|gefühl|fühl|sentim|ressent|sient|gevoel|voelt", sheet)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_declared_use_has_its_own_purpose(language: str, context: str) -> None:
    assert words(language)["purpose"][context] in " ".join(
        render_notice(deployment(context=context), PrivacySettings(), language=language, format="markdown")
        .replace("\\", "")
        .split()
    )


@pytest.mark.parametrize("context", PROHIBITED)
def test_work_and_education_need_a_written_purpose_which_is_then_printed(context: str) -> None:
    with pytest.raises(ConfigError, match="safety_purpose"):
        render_notice(deployment(context=context), PrivacySettings())
    sheet = render_notice(
        deployment(context=context, safety_purpose="Pain monitoring of patients"), PrivacySettings()
    )
    assert "Pain monitoring of patients" in sheet


def test_the_sheet_does_not_promise_a_threshold_or_noise_that_is_off() -> None:
    plain = PrivacySettings(min_count=1, acknowledge_individual_counts=True)
    noisy = PrivacySettings(epsilon=1.0)
    assert "single person" in render_notice(deployment(), plain)
    assert "withheld" not in render_notice(deployment(), plain)
    assert "noise" not in render_notice(deployment(), plain)
    assert "withheld" in render_notice(deployment(), noisy)
    assert "noise" in render_notice(deployment(), noisy)


PEOPLE_ONLY = Kinds(expressions=False, people=True)
LINE_ONLY = Kinds(expressions=False, crossings=True)


def said_by(kinds: Kinds, language: str = "en", **policy: Any) -> str:
    sheet = render_notice(
        deployment(), PrivacySettings(**policy), kinds, language=language, format="markdown"
    )
    return " ".join(sheet.replace("\\", "").split())


@pytest.mark.parametrize("kinds", [PEOPLE_ONLY, LINE_ONLY])
@pytest.mark.parametrize("language", LANGUAGES)
def test_where_no_expression_is_estimated_the_sheet_says_so_and_claims_none(
    language: str, kinds: Kinds
) -> None:
    sheet, told = said_by(kinds, language), words(language)
    for sentence in ("title", "summary", "finds", "purpose", "law"):
        assert told["people"][sentence] in sheet
    for sentence in (told["title"], told["summary"], told["contact"]["law"], told["purpose"]["museum"]):
        assert sentence not in sheet
    assert told["happens"]["estimate"] not in sheet
    assert told["happens"]["uncertain"] not in sheet
    assert "2024/1689" not in sheet
    assert "2016/679" in sheet
    assert "{" not in sheet


def test_the_sheet_says_which_totals_leave_and_which_are_withheld() -> None:
    people, line, both = said_by(PEOPLE_ONLY), said_by(LINE_ONLY), said_by(Kinds(crossings=True))
    assert "how many people were counted." in people
    assert "fewer than 5 people are withheld" in people
    assert "crossed a line" not in people
    assert "crossed a line in the picture, one way and the other" in line
    assert "fewer than 5 crossings, both ways together, are withheld" in line
    assert "5 people" not in line
    for words_of_both in ("facial-expression estimate", "crossed a line", "5 people", "5 crossings"):
        assert words_of_both in both
    assert "withheld" not in said_by(LINE_ONLY, min_count=1, acknowledge_individual_counts=True)


@pytest.mark.parametrize(
    ("extra", "kinds"),
    [
        ("", Kinds()),
        ('[models]\nclassifier = "none"', PEOPLE_ONLY),
        ('counting = "line"\nline = [0, 0, 1, 1]', LINE_ONLY),
        ('counting = "line"\nline = [0, 0, 1, 1]\n[sources.b]\ntype = "picamera2"', Kinds(crossings=True)),
    ],
)
def test_what_is_said_follows_from_the_configuration(extra: str, kinds: Kinds, tmp_path: Path) -> None:
    place = '[deployment]\nsite = "hall"\ndevice = "door-1"\ncontext = "museum"\n'
    config = tmp_path / "config.toml"
    config.write_text(f'{place}[sources.a]\ntype = "opencv"\ndevice = 0\n{extra}\n')
    assert kinds_of(load_settings(config)) == kinds
    done = CliRunner().invoke(app, ["notice", "--config", str(config)])
    assert done.exit_code == 0, done.output
    nameless = DeploymentSettings(site="hall", device="door-1", context="museum")
    assert done.output == render_notice(nameless, PrivacySettings(), kinds)


@pytest.mark.parametrize("language", LANGUAGES)
def test_totals_of_a_day_are_announced_where_they_are_told(language: str) -> None:
    said = words(language)["happens"]["day"]
    told = PrivacySettings(epsilon=1.0, day_total=True)
    assert said in " ".join(render_notice(deployment(), told, language=language).split())
    assert said not in " ".join(render_notice(deployment(), PrivacySettings(), language=language).split())


@pytest.mark.parametrize(
    ("window_s", "said"),
    [
        (60.0, "1 minute "),
        (90.0, "90 seconds"),
        (300.0, "5 minutes"),
        (3_600.0, "1 hour "),
        (7_200.0, "2 hours"),
    ],
)
def test_the_interval_is_said_as_people_say_it(window_s: float, said: str) -> None:
    sheet = render_notice(deployment(), PrivacySettings(window_s=window_s), format="markdown")
    assert f"intervals of {said}" in sheet


def test_a_missing_operator_leaves_a_line_to_fill_in() -> None:
    sheet = render_notice(deployment(operator="", contact="  "), PrivacySettings())
    assert sheet.count("_" * 40) == 2


class _Tags(HTMLParser):
    """Fails on tags that are not closed in order; remembers what would be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href"} & {name for name, _ in attrs}
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_names_with_markup_stay_names() -> None:
    """An operator's name is text in every format: it opens no tag and emphasises nothing."""
    odd = deployment(operator='<script>alert("x")</script> & *Söhne*')
    page = render_notice(odd, PrivacySettings(), format="html")
    parser = _Tags()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.seen
    assert "&amp; *Söhne*" in page
    assert "\\*Söhne\\*" in render_notice(odd, PrivacySettings(), format="markdown")


@pytest.mark.parametrize("wrong", [{"language": "tlh"}, {"format": "docx"}])
def test_an_unknown_language_or_format_names_the_known_ones(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="choose one of"):
        render_notice(deployment(), PrivacySettings(), **wrong)
