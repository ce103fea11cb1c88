"""Hostile files, made from good ones by chance: what was seen to break readers, and what might."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import onnx

if TYPE_CHECKING:
    from random import Random

VALUES: Final = (
    *("nan", "inf", "-inf", "-1", "0", "1e308", "true", "[]", "{}", "''", "1979-05-27", "07:32:00"),
    *("9" * 5_000, "0x" + "f" * 5_000, "[" * 3_000, "[" * 300 + "]" * 300, "{a=" * 1_000),
    *(
        '"\\u001b[2J\\u0007"',
        '"\\u202e"',
        '"\\ud800"',
        '"' + "x" * 100_000 + '"',
        '"../../etc/passwd"',
        '"/"',
    ),
)
"""Of TOML, legal or not."""
LINES: Final = (
    *('"\\u001b[31m" = 1', "a." * 500 + "b = 1", "[networks]", "[[networks]]", "\x1b]0;owned\x07", "= 1"),
    *("schema_version = 2", "networks = 3", "[" + "n." * 1_000 + "n]", "\ufeff", "'''", '"""', "\0"),
)
_NUMBERS: Final = (-1, 0, 1, -32, 3, 7, 4_096, 8_192, 2**31, -(2**63), 2**63 - 1)
_WORDS: Final = ("", "\x1b[31mred\x1b[0m", "a\nb", "\u202egnp", "x" * 10_000, "../w", "NonMaxSuppression")
_OPERATORS: Final = ("Loop", "Scan", "If", "Expand", "Identity", "Concat", "NoSuchThing", "", "\x1b[2J")
_NAMED: Final = (b"Conv", b"Concat", b"images", b"v1", b"names", b"user")
"""Words of a file that may be made no UTF-8."""
_METADATA: Final = (
    *("{0: 'a', 'b': 1}", "{[]: 1}", "[" * 5_000, "9" * 5_000, "'\\d'", "[1, None, b'x']", "{0: '\x1b[2J'}"),
    *("[640, 640]", "\u0663\u0662\u0660", "GPL\n\x1b[2J", "x" * 10_000, ""),
)


def mutated_bytes(content: bytes, chance: Random) -> bytes:
    """Bits flipped, a part cut out, doubled or overwritten."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) or 1)
        size = min(chance.choice((1, 1, 2, 8, 64, 1_000)), len(changed) - at)
        match chance.randrange(4):
            case 0:
                changed[at : at + size] = chance.randbytes(size)
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = changed[at : at + size]
            case _:
                changed[at : at + 1] = bytes([chance.choice((0, 0x7F, 0x80, 0xFF))])
    return bytes(changed)


def mutated_manifest(content: bytes, chance: Random) -> bytes:
    """A ``manifest.toml`` with another value, line or byte here and there."""
    lines = content.decode("utf-8").splitlines()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0:
                lines[at] = f"{lines[at].partition('=')[0]}= {chance.choice(VALUES)}"
            case 1:
                lines.insert(at, chance.choice(LINES))
            case 2:
                del lines[at : at + chance.randint(1, 4)]
                lines = lines or [""]
            case 3:
                lines[at:at] = lines[at : at + chance.randint(1, 12)]
            case _:
                lines[at] = lines[at].replace(chance.choice('"=[]._'), chance.choice('"=[]._\x00'), 1)
    changed = "\n".join(lines).encode("utf-8", "surrogatepass")
    return mutated_bytes(changed, chance) if chance.random() < 0.2 else changed


def mutated_onnx(content: bytes, chance: Random) -> bytes:
    """A small ONNX file with other sizes, names, operators or notes; at times with broken bytes as well."""
    model = onnx.load_model_from_string(content)
    for _ in range(chance.randint(1, 3)):
        _mutate(model, chance)
    changed: bytes = model.SerializeToString()
    if chance.random() < 0.2:
        name = chance.choice(_NAMED)
        changed = changed.replace(name, b"\xff" * len(name))
    return mutated_bytes(changed, chance) if chance.random() < 0.3 else changed


def _mutate(model: onnx.ModelProto, chance: Random) -> None:
    chance.choice((_mutate_port, _mutate_node, _mutate_node, _mutate_file))(model, chance)


def _mutate_port(model: onnx.ModelProto, chance: Random) -> None:
    """Another size, type or name of an input or output."""
    port = chance.choice([*model.graph.input, *model.graph.output, *model.graph.value_info[:3]])
    kind = port.type.tensor_type
    match chance.randrange(3):
        case 0:
            for axis in kind.shape.dim:
                axis.dim_value = chance.choice((*_NUMBERS, axis.dim_value))
        case 1:
            kind.elem_type = chance.choice((0, 1, 2, 7, 8, 10, 99, 2**31 - 1))
        case _:
            port.name = chance.choice((*_WORDS, *model.graph.node[-1].output))


def _mutate_node(model: onnx.ModelProto, chance: Random) -> None:
    """Another operator or name, or other connections."""
    node = chance.choice(model.graph.node)
    match chance.randrange(3):
        case 0:
            node.op_type = chance.choice(_OPERATORS)
        case 1:
            names = chance.choice((node.input, node.output))
            names[:] = [chance.choice((*_WORDS, *node.input, *node.output)) for _ in names]
        case _:
            node.name = chance.choice(_WORDS)


def _mutate_file(model: onnx.ModelProto, chance: Random) -> None:
    """Other constants, notes, versions, or fewer outputs."""
    match chance.randrange(4):
        case 0:
            tensor = chance.choice(model.graph.initializer)
            tensor.dims[:] = [chance.choice(_NUMBERS) for _ in tensor.dims]
        case 1:
            key = chance.choice(("names", "imgsz", "license", "task"))
            model.metadata_props.add(key=key, value=chance.choice(_METADATA))
        case 2:
            del model.graph.output[chance.randrange(len(model.graph.output) + 1) :]
        case _:
            model.opset_import[0].version = chance.choice(_NUMBERS)
            model.ir_version = chance.choice(_NUMBERS)
