"""``/v1/imports``: files, addresses and rows, indexed in the background."""

from __future__ import annotations

import io
import json
import tarfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import N_PRODUCTS, make_image
from vitrina.api.imports import over_http
from vitrina.search.store.store import Store

CSV = b"sku,title,price\nA-1,Red Mug,4.50 EUR\nA-2,Blue Mug,5.00 EUR\n,No sku,1\n"


def send(client: TestClient, name: str, data: bytes, **fields: str) -> dict[str, Any]:
    """Upload a file; the import as it was accepted."""
    answer = client.post("/v1/imports", files={"file": (name, data)}, data=fields)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/imports/{answer.json()['id']}"
    accepted: dict[str, Any] = answer.json()
    return accepted


def ended(client: TestClient, started: Mapping[str, Any], seconds: float = 30.0) -> dict[str, Any]:
    """The import once it has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found: dict[str, Any] = client.get(f"/v1/imports/{started['id']}").json()
        if found["ended_at"]:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not ended: {found}")


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip of files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_a_file_is_indexed_and_reported_as_on_the_command_line(client: TestClient, store: Store) -> None:
    done = ended(client, send(client, "shop.csv", CSV))
    assert (done["status"], done["stage"], done["kind"]) == ("done", "ended", "upload")
    assert done["source"] == "shop.csv"
    report = done["report"]
    assert report["changes"] == "2 added, 1 rejected"
    assert {"label": "rows read", "value": "3"} in report["table"]
    assert report["left_out"][0]["origin"] == "shop.csv:4"
    assert done["progress"]["n_added"] == 2
    letters = client.get(f"/v1/imports/{done['id']}/dead-letters").json()
    assert letters["total"] == done["n_dead_letters"] == 1
    assert letters["dead_letters"][0]["origin"] == "shop.csv:4"
    lines = client.get(f"/v1/imports/{done['id']}/dead-letters", headers={"Accept": "application/x-ndjson"})
    assert json.loads(lines.text)["reason"] == letters["dead_letters"][0]["reason"]
    assert client.get("/v1/items/A-1").json()["price_cents"] == 450
    assert not list(store.uploads.glob("*"))


def test_the_rows_of_an_imports_dead_letters_are_tried_again(client: TestClient, store: Store) -> None:
    before = ended(client, send(client, "shop.csv", CSV))
    mended = CSV.replace(b"\n,No sku,1", b"\nA-3,Green Mug,1\nA-4,New,1")
    done = ended(client, send(client, "shop.csv", mended, retry=str(before["id"])))
    assert (done["report"]["changes"], done["progress"]["n_total"]) == ("1 added", 1)
    assert client.get("/v1/items/A-3").status_code == 200
    assert client.get("/v1/items/A-4").status_code == 404
    assert client.get(f"/v1/imports/{before['id']}/dead-letters").json()["total"] == 0
    for unknown in (before["id"], 10**6):
        answer = client.post("/v1/imports", json={"rows": [{"sku": "a", "title": "b"}], "retry": unknown})
        assert answer.status_code == 404
        assert answer.json()["error"]["remedy"]


def test_what_was_imported_is_searchable(client: TestClient) -> None:
    ended(client, send(client, "shop.csv", CSV))
    until = time.monotonic() + 10
    while time.monotonic() < until:
        hits = client.post("/v1/search", json={"text": "A-1"}).json()["hits"]
        if hits and hits[0]["sku"] == "A-1":
            return
        time.sleep(0.1)
    raise AssertionError(hits)


def test_rows_are_imported_under_the_name_of_their_source(client: TestClient) -> None:
    rows = [{"sku": "R-1", "title": "Kettle"}, {"sku": "R-2", "title": "Pot", "colour": "red"}]
    answer = client.post("/v1/imports", json={"rows": rows, "source": "erp"})
    done = ended(client, answer.json())
    assert (done["status"], done["kind"], done["source"]) == ("done", "rows", "erp")
    assert {each["sku"] for each in client.get("/v1/items?source=erp").json()["items"]} == {"R-1", "R-2"}


def test_sync_deletes_what_is_gone_but_not_much_unless_told(client: TestClient) -> None:
    def index(n: int, **options: bool) -> dict[str, Any]:
        rows = [{"sku": f"S-{at}", "title": f"Cup {at}"} for at in range(n)]
        return ended(client, client.post("/v1/imports", json={"rows": rows, "source": "erp", **options}).json())

    assert index(10)["progress"]["n_added"] == 10
    assert "1 item that is no longer in the file was kept; send sync=true" in index(9)["report"]["notes"][-1]
    assert index(9, sync=True)["progress"]["n_deleted"] == 1
    doubtful = index(3, sync=True)
    assert doubtful["progress"]["n_deleted"] == 0
    assert doubtful["report"]["is_gone_doubtful"]
    assert (doubtful["report"]["n_gone"], doubtful["report"]["n_before"]) == (6, 9)
    assert doubtful["report"]["notes"][-1] == (
        "6 items that are no longer in the file were kept, since they are more than a fifth of 9; "
        "send sync_many=true as well to delete them."
    )
    assert index(3, sync=True, sync_many=True, dry_run=True)["report"]["notes"][-1].endswith("would be deleted.")
    done = index(3, sync=True, sync_many=True)
    assert (done["progress"]["n_deleted"], done["report"]["notes"]) == (6, [])


@pytest.mark.parametrize(
    ("remedy", "expected"),
    [
        ("Map another column: --map sku=COLUMN.", 'Map another column: map={"sku": "COLUMN"}.'),
        ('List Price may, add --map "price=List Price"', 'List Price may, add map={"price": "List Price"}'),
        ("Index it without --map, in a run of its own.", "Index it without map, in a run of its own."),
        ("Leave --encoding out.", "Leave encoding out."),
        ('as that one: --source "a b.csv"', 'as that one: source="a b.csv"'),
        ("or name the images' folder: --images DIR.", "or send a zip of the catalog with its images."),
    ],
)
def test_remedies_are_those_of_http(remedy: str, expected: str) -> None:
    assert over_http(remedy) == expected


def test_an_imports_remedies_name_no_options_of_the_command_line(client: TestClient, store: Store) -> None:
    done = ended(client, send(client, "shop.csv", b"sku,title,image\nA,Mug,gone.png\n,Cup,\n"))
    letters = client.get(f"/v1/imports/{done['id']}/dead-letters").json()["dead_letters"]
    told = [each["remedy"] for each in (*letters, *done["left_out"], *done["report"]["left_out"])]
    assert len(told) == 6
    assert not [each for each in (*told, *done["report"]["advice"]) if "--" in each]
    lines = client.get(f"/v1/imports/{done['id']}/dead-letters", headers={"Accept": "application/x-ndjson"}).text
    assert [json.loads(line) for line in lines.splitlines()] == letters
    assert str(store.folder) not in lines
    failed = ended(client, send(client, "keyless.csv", b"a,b\n1,2\n"))
    assert 'map={"sku": "a"}' in failed["error"]["remedy"]


def test_a_dry_run_changes_nothing_and_shows_examples(client: TestClient) -> None:
    done = ended(client, send(client, "shop.csv", CSV, dry_run="true", map='{"title": "title"}'))
    assert done["report"]["changes"] == "2 would be added, 1 would be rejected"
    assert done["report"]["examples"][0]["sku"] == "A-1"
    assert client.get("/v1/items/A-1").status_code == 404


def test_a_zip_of_a_catalog_with_its_images(client: TestClient) -> None:
    files = {"shop/products.csv": b"sku,title,image\nZ-1,Mug,images/mug.png\n", "shop/images/mug.png": make_image()}
    done = ended(client, send(client, "shop.zip", packed(files)))
    assert done["status"] == "done", done
    assert done["progress"]["n_images"] == 1
    assert client.get("/v1/items/Z-1").json()["image_urls"]


def test_a_zip_of_images_alone(client: TestClient) -> None:
    done = ended(client, send(client, "photos.zip", packed({"photos/red mug.png": make_image()})))
    assert done["status"] == "done", done
    assert client.get("/v1/items/red mug").status_code == 200


def test_a_tar_of_a_catalog_with_its_images(client: TestClient) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in (("products.csv", b"sku,title,image\nT-1,Mug,a.png\n"), ("a.png", make_image())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    done = ended(client, send(client, "shop.tar.gz", data.getvalue()))
    assert done["status"] == "done", done
    assert client.get("/v1/items/T-1").json()["image_urls"]


@pytest.mark.parametrize("name", ["../../evil.csv", "/etc/evil.csv", "..\\evil.csv", "a/../../evil.csv"])
def test_archives_whose_names_lead_out_of_them_are_refused(client: TestClient, store: Store, name: str) -> None:
    done = ended(client, send(client, "shop.zip", packed({name: CSV})))
    assert done["status"] == "failed"
    assert "leads out of it" in done["error"]["message"]
    assert not list(store.uploads.glob("*"))
    assert not list(store.folder.parent.rglob("evil.csv"))


def test_links_in_a_tar_are_left_out(client: TestClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(make_image("green"))
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        link = tarfile.TarInfo("a.png")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(link)
        content = b"sku,title,image\nL-1,Mug,a.png\nL-2,Cup," + str(secret).encode() + b"\n"
        info = tarfile.TarInfo("products.csv")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    done = ended(client, send(client, "shop.tar", data.getvalue()))
    assert done["status"] == "done", done
    assert client.get("/v1/items/L-1").json()["image_urls"] == []
    assert client.get("/v1/items/L-2").json()["image_urls"] == []
    told = json.dumps([done, client.get(f"/v1/imports/{done['id']}/dead-letters").json()])
    assert str(tmp_path / "store") not in told


def test_what_is_no_catalog_fails_with_a_remedy(client: TestClient) -> None:
    done = ended(client, send(client, "shop.xlsx", b"PK"))
    assert done["status"] == "failed"
    assert done["error"]["code"] == "bad_source"
    assert "CSV" in done["error"]["remedy"]
    assert ended(client, send(client, "shop.zip", b"PK and so on"))["error"]["message"].startswith("shop.zip cannot")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/a.csv", "http://[::ffff:169.254.169.254]/a.csv", "http://0x7f.1/a.csv", "http://10.0.0.1/"],
)
def test_addresses_that_are_not_public_are_not_fetched(client: TestClient, url: str) -> None:
    done = ended(client, client.post("/v1/imports", json={"url": url}).json())
    assert done["status"] == "failed"
    assert "not a public address" in done["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rows": []},
        {"url": "file:///etc/passwd"},
        {"url": "http://shop.example/a.csv", "rows": [{}]},
        {"rows": [{"sku": "a"}], "dialect": "/etc/passwd"},
        {"rows": [{"sku": "a"}], "sync": "yes"},
    ],
)
def test_bad_requests_are_refused(client: TestClient, store: Store, body: object) -> None:
    assert client.post("/v1/imports", json=body).status_code == 422
    assert client.get("/v1/imports").json()["total"] == 0
    assert not list(store.uploads.glob("*"))


def test_bad_forms_are_refused(client: TestClient, store: Store) -> None:
    assert client.post("/v1/imports", files={"other": ("a.csv", CSV)}).status_code == 422
    assert client.post("/v1/imports", files={"file": ("a.csv", CSV)}, data={"sync": "maybe"}).status_code == 422
    assert client.post("/v1/imports", files=[("file", ("a.csv", CSV)), ("file", ("b.csv", CSV))]).status_code == 422
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    cut = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsku,title\n'
    assert client.post("/v1/imports", content=cut, headers=kind).status_code == 422
    assert client.post("/v1/imports", content=b"", headers={"Content-Type": "multipart/form-data"}).status_code == 422
    assert not list(store.uploads.glob("*"))


@pytest.mark.parametrize("boundary", ["x" * 300, '"', "x y"])
def test_odd_boundaries_are_refused(client: TestClient, boundary: str) -> None:
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert client.post("/v1/imports", content=b"--x\r\n\r\n--x--\r\n", headers=kind).status_code == 422


@pytest.mark.parametrize("body", [b'{"url": "http://["}', b'{"url": "https://\\u0000"}'])
def test_what_cannot_be_imported_fails_with_a_reason(client: TestClient, body: bytes) -> None:
    accepted = client.post("/v1/imports", content=body, headers={"Content-Type": "application/json"})
    assert accepted.status_code == 202
    assert ended(client, accepted.json())["error"]["remedy"]


def test_the_history_is_paged_newest_first(client: TestClient) -> None:
    started = [client.post("/v1/imports", json={"rows": [{"sku": f"H-{at}"}]}).json()["id"] for at in range(3)]
    first = client.get("/v1/imports?limit=2").json()
    assert [each["id"] for each in first["imports"]] == started[:0:-1]
    assert first["total"] == 3
    second = client.get(f"/v1/imports?limit=2&cursor={first['next_cursor']}").json()
    assert [each["id"] for each in second["imports"]] == started[:1]
    assert second["next_cursor"] is None
    assert client.get("/v1/imports/999").status_code == 404
    assert client.get(f"/v1/imports/{2**64}").status_code == 422


def test_progress_is_streamed_until_the_end(client: TestClient) -> None:
    started = send(client, "shop.csv", CSV)
    with client.stream("GET", f"/v1/imports/{started['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = "".join(stream.iter_text()).split("\n\n")
    named = [event.split("\n") for event in events if event.startswith("event:")]
    assert named[-1][0] == "event: done"
    assert json.loads(named[-1][1].removeprefix("data: "))["status"] == "done"


def test_an_import_of_the_command_line_is_waited_for_and_waiting_can_be_cancelled(
    client: TestClient, store: Store
) -> None:
    with store.importing():
        started = send(client, "shop.csv", CSV)
        until = time.monotonic() + 10
        while not (found := client.get(f"/v1/imports/{started['id']}").json())["note"] and time.monotonic() < until:
            time.sleep(0.05)
        assert found["note"] == "Another import into this store is under way; waiting for it to finish."
        second = send(client, "shop.csv", CSV)
        assert client.post(f"/v1/imports/{second['id']}/cancel").json()["status"] == "cancelled"
        client.post(f"/v1/imports/{started['id']}/cancel")
        assert ended(client, started)["status"] == "cancelled"
    assert client.get("/v1/items/A-1").status_code == 404
    assert client.post("/v1/imports/999/cancel").status_code == 404


def test_the_catalog_that_was_there_is_left_alone(client: TestClient) -> None:
    ended(client, send(client, "shop.csv", CSV, sync="true"))
    assert client.get("/v1/items").json()["total"] == N_PRODUCTS + 2
