# Prints tables of the R4 models of fhirclient. "mandatory": the elements that each type requires, one type in a line, and the types of
# choice elements. "attachments": each element of the type Attachment outside extensions, as its type and its path.
import importlib
import pkgutil
import sys

import fhirclient.models as models
from fhirclient.models.attachment import Attachment
from fhirclient.models.extension import Extension
from fhirclient.models.resource import Resource


def classes():
    for module in pkgutil.iter_modules(models.__path__):
        loaded = importlib.import_module("fhirclient.models." + module.name)
        for name, found in vars(loaded).items():
            if isinstance(found, type) and found.__module__ == loaded.__name__ and hasattr(found, "resource_type"):
                yield module.name, name, found


def properties(found):
    try:
        return found(None).elementProperties()
    except TypeError:
        # An abstract class, from which others inherit.
        return None


def is_resource(module, found):
    return issubclass(found, Resource) and module not in ("resource", "domainresource")


def mandatory():
    rows, choices = {}, set()
    for module, name, found in classes():
        known = properties(found)
        if known is None:
            continue
        choices |= {p[1][len(p[4]):] for p in known if p[4] and p[1].startswith(p[4])}
        if is_resource(module, found):
            rows[name] = sorted({p[4] or p[1] for p in known if p[5]})
    for name in sorted(rows):
        if rows[name]:
            print(name, *rows[name])
    print("choices", *sorted(choices))


def attachments(found, above=()):
    for element in properties(found) or []:
        name, kind = element[1], element[2]
        if kind is Attachment:
            yield name
        elif kind is not Extension and hasattr(kind, "elementProperties") and not issubclass(kind, Resource) and kind not in above:
            for path in attachments(kind, (*above, kind)):
                yield name + "." + path


if sys.argv[1] == "mandatory":
    mandatory()
else:
    rows = {(name, path) for module, name, found in classes() if is_resource(module, found) for path in attachments(found)}
    for row in sorted(rows):
        print(*row)
