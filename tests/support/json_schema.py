"""As much of JSON Schema as the OpenAPI document uses; an unknown keyword is an error."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = Any
Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
_NOTES = frozenset({"title", "description", "default", "example", "format"})


class Schemas:
    """The schemas of one OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def resolve(self, reference: str) -> Schema:
        """Return the schema that a local reference means."""
        root, *path = reference.split("/")
        assert root == "#", reference
        found: Any = self._document
        for name in path:
            found = found[name]
        schema: Schema = found
        return schema

    def faults(self, schema: Schema, value: Json, where: str = "body") -> Iterator[str]:
        """Yield what is wrong with `value`, each with its place."""
        for keyword, argument in schema.items():
            if keyword in _NOTES:
                continue
            check = getattr(self, f"_{keyword.replace('$', '')}")
            yield from check(argument, value, where, schema)

    def _ref(self, reference: str, value: Json, where: str, _schema: Schema) -> Iterator[str]:
        yield from self.faults(self.resolve(reference), value, where)

    def _type(self, name: str, value: Json, where: str, _schema: Schema) -> Iterator[str]:
        boolean = isinstance(value, bool) and name != "boolean"
        if boolean or not isinstance(value, _TYPES[name]):
            yield f"{where}: {value!r} is no {name}"

    def _anyOf(  # noqa: N802
        self, schemas: list[Schema], value: Json, where: str, _schema: Schema
    ) -> Iterator[str]:
        if all(list(self.faults(schema, value, where)) for schema in schemas):
            yield f"{where}: {value!r} is none of {schemas}"

    def _enum(self, allowed: list[Json], value: Json, where: str, _schema: Schema) -> Iterator[str]:
        if value not in allowed:
            yield f"{where}: {value!r} is none of {allowed}"

    def _properties(
        self, properties: Mapping[str, Schema], value: Json, where: str, _schema: Schema
    ) -> Iterator[str]:
        for name, schema in properties.items():
            if isinstance(value, dict) and name in value:
                yield from self.faults(schema, value[name], f"{where}.{name}")

    def _required(
        self, names: list[str], value: Json, where: str, _schema: Schema
    ) -> Iterator[str]:
        found = value if isinstance(value, dict) else names
        yield from (f"{where}: {name} is missing" for name in names if name not in found)

    def _additionalProperties(  # noqa: N802
        self, allowed: bool | Schema, value: Json, where: str, schema: Schema
    ) -> Iterator[str]:
        found = value if isinstance(value, dict) else {}
        for name in found.keys() - schema.get("properties", {}).keys():
            if allowed is False:
                yield f"{where}: {name} is not declared"
            elif allowed is not True:
                yield from self.faults(allowed, found[name], f"{where}.{name}")

    def _items(self, schema: Schema, value: Json, where: str, _schema: Schema) -> Iterator[str]:
        for i, item in enumerate(value if isinstance(value, list) else []):
            yield from self.faults(schema, item, f"{where}[{i}]")

    def _minimum(self, least: float, value: Json, where: str, _schema: Schema) -> Iterator[str]:
        if isinstance(value, int | float) and value < least:
            yield f"{where}: {value} is below {least}"

    def _maximum(self, most: float, value: Json, where: str, _schema: Schema) -> Iterator[str]:
        if isinstance(value, int | float) and value > most:
            yield f"{where}: {value} is above {most}"

    def _maxLength(  # noqa: N802
        self, most: int, value: Json, where: str, _schema: Schema
    ) -> Iterator[str]:
        if isinstance(value, str) and len(value) > most:
            yield f"{where}: longer than {most}"
