"""The commands of lists as a person or a script uses them: `phones parse`, `import portfolio --source`, `import stop-list`."""

import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path

from backoffice_core.clock import load
from backoffice_core.config import Settings
from tests.conftest import ROOT, command
from tests.core.test_night_commands import run


def parse(cells: bytes, *options: str) -> bytes:
    done = subprocess.run(
        command("phones", "parse", "--country", "UA", *options), input=cells, capture_output=True, cwd="/", check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"},
    )  # fmt: skip
    return done.stdout


def test_fl05_parse_prints_one_object_on_one_line_for_every_line() -> None:
    cells = [
        "0671234567",
        "",
        "3,80671E+11",
        "  ",
        "067\u2028 123 45 67",
        "(044) 490-12-34 вн. 12, 050 123 45 67 мама",
        "",
        "-",
    ]
    lines = parse("\n".join(cells).encode() + b"\r\n", "--json").decode().splitlines()
    read = [json.loads(line) for line in lines]
    assert [one["cell"] for one in read] == cells
    assert all(list(one) == ["cell", "numbers", "refused"] for one in read)
    assert read[0] == {
        "cell": "0671234567", "numbers": [{"e164": "+380671234567", "extension": None, "owner": "self"}], "refused": None,
    }  # fmt: skip
    assert [(n["extension"], n["owner"]) for n in read[5]["numbers"]] == [("12", "self"), (None, "relative")]
    assert all(one["refused"] and not one["numbers"] for one in (read[1], read[2], read[3], read[6], read[7]))
    assert "format the column as text" in read[2]["refused"]


def test_fl05_parse_takes_area_code_and_language_and_any_bytes() -> None:
    read = [
        json.loads(x)
        for x in parse(b"490-12-34\n\xff\xfe\n101", "--json", "--area-code", "044", "--language", "uk").splitlines()
    ]
    assert read[0]["numbers"][0]["e164"] == "+380444901234"
    assert "закороткий" in read[2]["refused"]
    assert parse(b"", "--json") == b""
    assert parse("мама 0671234567\n".encode()).decode() == "мама 0671234567 → +380671234567 relative\n"


async def test_fl07_source_is_learnt_asked_about_and_remembered(live_settings: Settings, tmp_path: Path) -> None:
    as_at = load(live_settings).now() - timedelta(hours=2)

    def write(name: str, count: int) -> str:
        head = "ПІБ;Код клієнта;Тел;Номер договору;Залишок;DPD;Станом на\n"
        rows = (f"Коваль Олена;P{n};067 {1_000_000 + n};C{n};100,00;5;{as_at.isoformat()}\n" for n in range(count))
        (tmp_path / name).write_text(head + "".join(rows), encoding="cp1251")
        return str(tmp_path / name)

    first = write("first.csv", 10)
    code, _, err = await run(live_settings, "import", "portfolio", first, "--map", "Тел=phones")
    assert code == 1
    assert "Add --source" in err
    options = (
        "--source",
        "abs",
        "--map",
        "Тел=phones",
        "--set",
        "jurisdiction=UA",
        "--set",
        "currency=UAH",
        "--due-by",
        "08:00",
    )
    code, out, err = await run(live_settings, "import", "portfolio", first, *options)
    assert (code, err) == (0, "")
    assert "10 loans imported" in out
    second = write("second.csv", 5)
    code, out, _ = await run(live_settings, "import", "portfolio", second, "--source", "abs", "--json")
    question = json.loads(out)["question"]
    assert code == 1
    assert {d["code"] for d in question["doubts"]} == {"ROWS", "OVERDUE_COUNT"}
    answer = ("--source", "abs", "--confirm", question["confirm"])
    code, out, _ = await run(live_settings, "import", "portfolio", second, *answer)
    assert code == 0
    assert "5 contracts are missing" in out
    code, out, _ = await run(live_settings, "import", "missing", "--json")
    assert [m["contract_no"] for m in json.loads(out)] == [f"C{n}" for n in range(5, 10)]
    assert (await run(live_settings, "import", "explain", "C5", "--reason", "погашено"))[0] == 0
    code, out, _ = await run(live_settings, "import", "sources", "--json")
    assert (code, json.loads(out)[0]["state"]) == (0, "FRESH")


async def test_fl08_stop_list_is_taken_over_and_bad_rows_end_with_one(live_settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("phone;reason\n067 123 45 67;PAID\nнемає;PAID\n", encoding="utf-8")
    code, out, err = await run(live_settings, "import", "stop-list", str(file))
    assert code == 1
    assert "line 3: «немає» stands for no number" in out
    assert "1 new stops" in out
    assert "the others count" in err
    assert "Lifted" in (await run(live_settings, "import", "lift-stop", "phone", "0671234567"))[1]
    code, out, _ = await run(live_settings, "phones", "shared", "--json")
    assert (code, json.loads(out)) == (0, [])
