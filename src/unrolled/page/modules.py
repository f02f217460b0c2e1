"""The page's modules as one script, so that they need not be fetched: each keeps its names to itself."""

from __future__ import annotations

import re
from importlib import resources

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


def read(name: str) -> str:
    """A file of the page."""
    return (resources.files("unrolled.page") / "modules" / name).read_text(encoding="utf-8")


def script(*first: str) -> str:
    """All modules that those named need, each behind those that it imports.

    Module x becomes the constant $x, an object with what it exports.

    >>> print(script("address").splitlines()[-1])
    })();
    """
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = read(f"{name}.js")
        for _, other in IMPORT.findall(text):
            add(other)
        names = ", ".join(exported for _, exported in EXPORT.findall(text))
        body = EXPORT.sub(r"\1", IMPORT.sub(r"const {\1} = $\2;\n", text))
        done[name] = f"const ${name} = (() => {{\n{body}return {{ {names} }};\n}})();"

    for name in first:
        add(name)
    return "\n".join(done.values())
