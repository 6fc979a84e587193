"""The elements of a contract, whatever it is written in: each by its path, with what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hub.contracts.openapi import read_openapi
from hub.contracts.xml_schema import elements_of_schema, operations_of_wsdl, schema_of_element
from hub.drift.certificate import facts_of
from hub.drift.difference import Element, flatten
from hub.drift.documents import Documents
from hub.manifest import LiveKind

Elements = dict[str, Element]


def elements_of(documents: Documents) -> Elements:
    """Give every element of a contract by its path; raises ConfigurationError for one that cannot be read."""
    elements: Elements = {}
    with TemporaryDirectory() as folder:
        for found in READS[documents.kind](documents, Path(folder)):
            elements |= found
    return elements


def _of_wsdl(documents: Documents, folder: Path) -> Iterator[Elements]:
    file = documents.write(folder)
    for operation in operations_of_wsdl(file):
        said = {"soapAction": operation.soap_action, "style": operation.style}
        yield {f"operation {operation.name}": Element(said=said)}
        for element, schema in (
            (operation.input_element, operation.input),
            (operation.output_element, operation.output),
        ):
            if schema is not None:
                yield flatten(schema, element, ordered=True)
        for fault in operation.faults:
            yield flatten(fault.schema, fault.element, ordered=True)
    yield from _of_xsd(documents, folder)


def _of_xsd(documents: Documents, folder: Path) -> Iterator[Elements]:
    file = documents.write(folder)
    for element in elements_of_schema(file):
        yield flatten(schema_of_element(file, element), element, ordered=True)


def _of_openapi(documents: Documents, folder: Path) -> Iterator[Elements]:
    for one in read_openapi(documents.write(folder)).operations:
        called = {"method": one.method, "path": one.path, "headers": ", ".join(one.headers)}
        yield {f"operation {one.name}": Element(said=called)}
        yield flatten(one.input, one.name)
        if one.output is not None:
            yield flatten(one.output, f"{one.name} answer")


def _of_json_schema(documents: Documents, _: Path) -> Iterator[Elements]:
    yield flatten(documents.content, str(documents.content.get("title") or "message"))


def _of_capabilities(documents: Documents, _: Path) -> Iterator[Elements]:
    """Give the operations, the layers and the filters of a WFS, with what each admits."""
    [root] = documents.roots.values()
    for operation in root.iterfind(".//{*}OperationsMetadata/{*}Operation"):
        name = f"operation {operation.get('name')}"
        yield {name: Element()}
        for parameter in operation.iterfind("{*}Parameter"):
            values = sorted(filter(None, (one.text for one in parameter.iter("{*}Value"))))
            yield {f"{name}.{parameter.get('name')}": Element(said={"enum": values})}
    for layer in root.iterfind(".//{*}FeatureTypeList/{*}FeatureType"):
        systems = [
            one.text or ""
            for tag in ("DefaultSRS", "OtherSRS", "DefaultCRS", "OtherCRS", "SRS")
            for one in layer.iterfind(f"{{*}}{tag}")
        ]
        operations = sorted(one.text or str(one.tag).rpartition("}")[2] for one in layer.iterfind("{*}Operations/*"))
        name = f"layer {layer.findtext('{*}Name', '')}"
        yield {name: Element()}
        yield {f"{name}.SRS": Element(said={"enum": sorted(systems)})}
        yield {f"{name}.Operations": Element(said={"enum": operations})}
    filters = [
        one.get("name") or one.text or str(one.tag).rpartition("}")[2]
        for one in root.iterfind(".//{*}Filter_Capabilities//*")
        if not len(one)
    ]
    yield {"filters": Element(said={"enum": sorted(set(filters))})}


def _of_certificate(documents: Documents, _: Path) -> Iterator[Elements]:
    yield {name: Element(said={"const": said}) for name, said in facts_of(documents).items()}


READS: Final[Mapping[LiveKind, Callable[[Documents, Path], Iterator[Elements]]]] = {
    LiveKind.WSDL: _of_wsdl,
    LiveKind.XSD: _of_xsd,
    LiveKind.OPENAPI: _of_openapi,
    LiveKind.CAPABILITIES: _of_capabilities,
    LiveKind.JSON_SCHEMA: _of_json_schema,
    LiveKind.CERTIFICATE: _of_certificate,
}

__all__ = ["Elements", "elements_of"]
