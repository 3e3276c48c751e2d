"""The documents in `docs/` agree with the code, are valid by their specifications, and are as strict as possible."""

import base64
import json
import shutil
import subprocess
import tarfile
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from hypothesis import given
from jsonschema_rs import Draft7Validator, Draft202012Validator, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.documents import DIRECTORY, render
from contracts.messages import messages
from shared.ecg import MAX_LEADS, Ecg
from shared.encoding import MEDIA_TYPES, packed, plain
from shared.errors import InvalidEcg
from shared.messages.catalogue import catalogue
from stream_agents.insights import INSIGHTS
from tests.support.documented import answers, async_api, openapi, validator
from tests.support.paths import ROOT
from tests.support.tools import missing
from tests.unit.strategies import ecgs

# The official schemas of AsyncAPI, which are only published as an npm package.
ASYNCAPI_SPECS = "@asyncapi/specs@6.11.1"


def test_the_committed_documents_agree_with_the_code() -> None:
    for path, text in render().items():
        assert path.read_text() == text, f"{path} is stale: run `make contracts`"
    assert set(DIRECTORY.glob("schemas/*")) <= set(render())


def asyncapi_schema() -> dict[str, Any]:
    """Return the schema, which is downloaded once; if that fails, skip the test, or fail in CI."""
    specs = ROOT / "build" / "asyncapi-specs"
    archive = specs / "asyncapi-specs-6.11.1.tgz"
    if not archive.exists():
        specs.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm")
        pack = [npm or "npm", "pack", "--silent", f"--pack-destination={specs}", ASYNCAPI_SPECS]
        done = subprocess.run(pack, capture_output=True, text=True, check=False, timeout=300) if npm else None
        if done is None or done.returncode:
            problem = f"AsyncAPI's schemas come from npm: {done.stderr if done else 'it is not installed'}"
            missing(problem)
    with tarfile.open(archive) as content:
        file = content.extractfile("package/schemas/3.0.0-without-$id.json")
        assert file is not None
        return dict(json.load(file))


def test_the_asyncapi_document_is_valid_by_its_specification() -> None:
    schema = Draft7Validator(asyncapi_schema())
    schema.validate(async_api())
    assert not schema.is_valid(async_api() | {"channels": {"submissions": {"adress": "misspelt"}}})


def test_every_reference_in_the_asyncapi_document_resolves() -> None:
    document = async_api()

    def visit(node: Any) -> None:
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            visit(child)
        if isinstance(node, dict) and "$ref" in node:
            target: Any = document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]

    visit(document)


def test_the_openapi_document_is_valid_by_its_specification() -> None:
    OpenAPIV31SpecValidator(openapi()).validate()


@pytest.mark.parametrize(
    ("answer", "schema_of"),
    [(answer, f"{method} {path} {status}") for method, path, status, answer in answers()],
    ids=[f"{method} {path} {status}" for method, path, status, _ in answers()],
)
def test_every_answer_has_a_valid_example(answer: dict[str, Any], schema_of: str) -> None:
    if schema_of.endswith(" 204"):
        assert "content" not in answer
        return
    assert answer["content"], f"{schema_of} does not say what it answers"
    for media_type, content in answer["content"].items():
        examples = [content["example"]] if "example" in content else [e["value"] for e in content["examples"].values()]
        assert examples, f"{schema_of} as {media_type} has no example"
        if media_type in MEDIA_TYPES:
            for example in examples:
                validator(content["schema"], openapi()).validate(example)


def test_every_request_body_has_a_valid_example() -> None:
    bodies = [
        o["requestBody"]
        for operations in openapi()["paths"].values()
        for o in operations.values()
        if "requestBody" in o
    ]
    assert bodies
    for body in bodies:
        for content in body["content"].values():
            for example in content["schema"]["examples"]:
                validator(content["schema"], openapi()).validate(example)


def test_every_call_has_a_short_name_that_does_not_change() -> None:
    """Clients are generated from these names."""
    named = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, operations in openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert named == {
        "GET /health/ping": "ping",
        "GET /health/ready": "ready",
        "POST /users": "register_user",
        "GET /users": "list_users",
        "DELETE /users/{username}": "delete_user",
        "GET /audit": "read_audit",
        "POST /ecgs": "submit_ecg",
        "POST /ecgs/batch": "submit_ecgs",
        "GET /ecgs": "list_ecgs",
        "GET /ecgs/{ecg_id}": "read_ecg",
        "DELETE /ecgs/{ecg_id}": "erase_ecg",
        "GET /ecgs/{ecg_id}/insights": "read_insights",
        "POST /recordings": "begin_recording",
        "GET /recordings": "list_recordings",
        "DELETE /recordings/{recording_id}": "erase_recording",
        "POST /recordings/{recording_id}/chunks": "add_chunk",
        "POST /recordings/{recording_id}/end": "end_recording",
        "GET /recordings/{recording_id}/insights": "read_recording_insights",
        "GET /recordings/{recording_id}/minutes": "read_minutes",
        "GET /recordings/{recording_id}/signals": "read_samples",
        "GET /events": "follow_events",
    }


def test_every_call_but_health_checks_names_how_its_token_is_sent() -> None:
    schemes = openapi()["components"]["securitySchemes"]
    for path, operations in openapi()["paths"].items():
        for operation in operations.values():
            sent = [schemes[name] for each in operation.get("security", []) for name in each]
            if path.startswith("/health/"):
                assert sent == []
                continue
            assert [scheme["type"] for scheme in sent] == ["apiKey", "http"]
            kind = "admin" if path.startswith(("/users", "/audit")) else "user"
            assert (sent[0]["in"], sent[0]["name"]) == ("header", f"x-{kind}-token")
            assert sent[1]["scheme"] == "bearer"
            assert operation["responses"]["401"]["headers"]["WWW-Authenticate"]["required"]


def test_a_body_over_http_has_no_other_fields_and_a_message_on_kafka_may() -> None:
    http, kafka = openapi(), async_api()["components"]["schemas"]
    for path in ("/ecgs", "/users"):
        body = http["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["additionalProperties"] is False
    assert http["components"]["schemas"]["LeadIn"]["additionalProperties"] is False
    for name in ("Ecg", "LeadIn", "PackedEcg", "PackedLead"):
        assert "additionalProperties" not in kafka[name]


def test_the_idempotency_key_says_what_another_content_is() -> None:
    [header] = openapi()["paths"]["/ecgs"]["post"]["parameters"]
    assert header["name"] == "idempotency-key"
    assert "another ECG, and no error" in header["description"]


def test_every_insight_is_documented_over_http_and_kafka() -> None:
    http, kafka = openapi()["components"]["schemas"], async_api()["components"]["schemas"]
    of_leads, of_ecg = ({i.name for i in INSIGHTS.values() if i.scope == scope} for scope in ("lead", "ecg"))
    for schemas in (http, kafka):
        assert schemas["LeadInsights"]["properties"].keys() == {"name"} | of_leads
    assert http["EcgInsights"]["properties"]["ecg"]["properties"].keys() == of_ecg
    assert kafka["Insights"]["properties"]["ecg"]["properties"].keys() == of_ecg
    assert http["EcgSummary"]["properties"]["summary"]["properties"] == catalogue().summary


@pytest.mark.parametrize("name", messages())
def test_the_separate_schema_accepts_the_example(name: str) -> None:
    message = messages()[name]
    if message.content_type is None:
        return
    alone = json.loads((DIRECTORY / "schemas" / f"{name}.json").read_text())
    jsonschema_rs.meta.validate(alone)
    Draft202012Validator(alone).validate(message.example)
    assert not Draft202012Validator(alone).is_valid({})


def test_the_asyncapi_file_parses_to_the_document() -> None:
    assert yaml.safe_load((DIRECTORY / "asyncapi.yaml").read_text()) == async_api()


@cache
def payload(name: str) -> Draft202012Validator:
    return validator(async_api()["components"]["schemas"][name], async_api())


def as_json(message: bytes) -> Any:
    """Convert a MessagePack value to the JSON that the document describes, with bytes as base64."""
    return msgspec.to_builtins(msgspec.msgpack.decode(message))


@given(ecgs)
def test_encoded_messages_are_as_documented(ecg: Ecg) -> None:
    payload("Ecg").validate(json.loads(plain.encode(ecg)))
    payload("PackedEcg").validate(as_json(packed.encode(ecg)))


def ecg(**fields: Any) -> dict[str, Any]:
    message = {"id": "a", "username": "u", "leads": [{"name": "I", "signal": [1, -1]}], **fields}
    return {name: value for name, value in message.items() if value is not ...}


def lead(**fields: Any) -> dict[str, Any]:
    [only] = ecg()["leads"]
    return ecg(leads=[{name: value for name, value in {**only, **fields}.items() if value is not ...}])


BAD: dict[str, Any] = {
    "a list": [],
    "a text": "ecg",
    "no id": ecg(id=...),
    "a number for an id": ecg(id=1),
    "an id with a space": ecg(id="a b"),
    "an id of 129 characters": ecg(id="a" * 129),
    "no username": ecg(username=...),
    "an empty username": ecg(username=""),
    "a space before the username": ecg(username=" u"),
    "a control character in the username": ecg(username="a\x00b"),
    "a username of 129 characters": ecg(username="u" * 129),
    "a date in words": ecg(date="yesterday"),
    "a date in numbers": ecg(date=20261124),
    "a long date": ecg(date="2026-11-24T10:00:00." + "0" * 64),
    "no list of leads": ecg(leads=...),
    "an object for leads": ecg(leads={}),
    "no lead": ecg(leads=[]),
    "too many leads": ecg(leads=ecg()["leads"] * (MAX_LEADS + 1)),
    "a number for a lead": ecg(leads=[1]),
    "no name of a lead": lead(name=...),
    "an empty name of a lead": lead(name=""),
    "a blank name of a lead": lead(name="  "),
    "a tab in the name of a lead": lead(name="I\t"),
    "a name of a lead of 129 characters": lead(name="I" * 129),
    "no signal": lead(signal=...),
    "a text for a signal": lead(signal="1 -1"),
    "a fraction": lead(signal=[0.5]),
    "a text for a sample": lead(signal=["1"]),
    "true for a sample": lead(signal=[True]),
    "null for a sample": lead(signal=[None]),
    "a list for a sample": lead(signal=[[1]]),
    "a sample over 64 bits": lead(signal=[2**63]),
    "a sample under 64 bits": lead(signal=[-(2**63) - 1]),
    "a fraction for the number of samples": lead(number_of_samples=1.5),
}


@pytest.mark.parametrize("kind", BAD)
def test_the_schema_rejects_messages_that_the_code_rejects(kind: str) -> None:
    with pytest.raises(InvalidEcg):
        plain.decode(json.dumps(BAD[kind]).encode())
    with pytest.raises(ValidationError):
        payload("Ecg").validate(BAD[kind])


@pytest.mark.parametrize(
    "message",
    [lead(number_of_samples=3), ecg(date="2026-13-24"), lead(signal=[1.0])],
    ids=["a wrong number of samples", "a month 13", "an integer written as a fraction"],
)
def test_the_code_rejects_errors_that_json_schema_cannot_express(message: Any) -> None:
    payload("Ecg").validate(message)
    with pytest.raises(InvalidEcg):
        plain.decode(json.dumps(message).encode())


def packed_lead(**fields: Any) -> dict[str, Any]:
    return lead(**{"dtype": "int8", "signal": b"\x01\xff", **fields})


BAD_PACKED: dict[str, Any] = {
    **{
        kind: value
        for kind, value in BAD.items()
        if "lead" not in kind and "sample" not in kind and "signal" not in kind
    },
    "no leads": ecg(leads=[]),
    "no dtype": packed_lead(dtype=...),
    "an unknown dtype": packed_lead(dtype="float32"),
    "no signal": packed_lead(signal=...),
    "numbers for a signal": packed_lead(signal=[1, -1]),
    "an empty name of a lead": packed_lead(name=""),
    "no name of a lead": packed_lead(name=...),
}


@pytest.mark.parametrize("kind", BAD_PACKED)
def test_the_schema_rejects_packed_messages_that_the_code_rejects(kind: str) -> None:
    value = msgspec.msgpack.encode(BAD_PACKED[kind])
    with pytest.raises(InvalidEcg):
        packed.decode(value)
    with pytest.raises(ValidationError):
        payload("PackedEcg").validate(as_json(value))


def test_the_packed_example_decodes_to_its_samples() -> None:
    example = async_api()["components"]["messages"]["PackedEcg"]["examples"][0]["payload"]
    signals = [{**one, "signal": base64.b64decode(one["signal"])} for one in example["leads"]]
    leads = packed.decode(msgspec.msgpack.encode({**example, "leads": signals})).leads
    assert [leads[0].signal.tolist(), leads[1].signal.tolist()] == [[1, 0, -1, 0, 1, 0, 0, 1], [1, 0, -1]]
