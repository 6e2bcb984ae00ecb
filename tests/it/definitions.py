# Prints the elements that the R4 models of fhirclient require, one type in a line, and the types of choice elements.
import importlib
import pkgutil

import fhirclient.models as models
from fhirclient.models.resource import Resource

rows, choices = {}, set()
for module in pkgutil.iter_modules(models.__path__):
    loaded = importlib.import_module("fhirclient.models." + module.name)
    for name, found in vars(loaded).items():
        if not isinstance(found, type) or found.__module__ != loaded.__name__ or not hasattr(found, "resource_type"):
            continue
        try:
            properties = found(None).elementProperties()
        except TypeError:
            # An abstract class, from which others inherit.
            continue
        choices |= {p[1][len(p[4]):] for p in properties if p[4] and p[1].startswith(p[4])}
        if issubclass(found, Resource) and module.name not in ("resource", "domainresource"):
            rows[name] = sorted({p[4] or p[1] for p in properties if p[5]})
for name in sorted(rows):
    if rows[name]:
        print(name, *rows[name])
print("choices", *sorted(choices))
