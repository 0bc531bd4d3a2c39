# SPDX-License-Identifier: BSD-2-Clause
"""Pages of the site link as they do in the repository, by relative paths; this makes links of the site of them.

A link to a page leads to that page, and an anchor must be one of its sections; a link to a source leads to a page that
shows it; a link to anything else is a warning. Pages that have sections in a sidebar need no contents of their own.
"""
import pathlib
import posixpath
import re

from docutils import nodes
from docutils.utils import relative_path
from pygments.lexer import RegexLexer, bygroups
from pygments.token import Generic
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

log = logging.getLogger(__name__)
SOURCES = "sources"  # the folder of the site that sources are shown in


class Links(SphinxPostTransform):
    default_priority = 9  # before Sphinx looks at references

    def run(self):
        for link in list(self.document.findall(nodes.reference)):
            uri = link.get("refuri", "")
            if uri and not link.get("internal") and not re.match(r"[a-z]+:|#", uri):
                self.resolve(link, uri)

    def resolve(self, link, uri):
        path, _, anchor = uri.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.env.docname), path))
        page = path.removesuffix(".rst")
        if path.endswith(".rst") and page in self.env.found_docs:
            if anchor and anchor not in self.env.get_doctree(page).ids:
                log.warning("no section %s in %s", anchor, path, location=link)
        elif not path.startswith("..") and (pathlib.Path(self.env.srcdir) / path).is_file() and not anchor:
            self.env.hookpoint_sources.add(path)
            page = f"{SOURCES}/{path}"
        else:
            log.warning("link to nothing: %s", uri, location=link)
            return
        here = self.app.builder.get_target_uri(self.env.docname)
        there = self.app.builder.get_target_uri(page)
        link["refuri"] = relative_path(here, there) + (f"#{anchor}" if anchor else "")
        link["internal"] = True


def drop_contents(_app, document):
    for topic in list(document.findall(nodes.topic)):
        if "contents" in topic["classes"]:
            topic.parent.remove(topic)


def language(path, text):
    """What Pygments calls a source's language: by its name, or by its first line, as scripts have no suffix."""
    name = posixpath.basename(path)
    interpreter = re.match(r"#!.*[/ ](python|bash|bats)", text)
    if name.endswith((".c", ".h")):
        return "c"
    if name == "Makefile" or name.endswith(".mk"):
        return "make"
    return {"python": "python", None: "none"}.get(interpreter and interpreter[1], "bash")


def source_pages(app):
    for path in sorted(app.env.hookpoint_sources):
        text = (pathlib.Path(app.srcdir) / path).read_text()
        code = app.builder.highlighter.highlight_block(text, language(path, text), linenos="inline")
        title = posixpath.basename(path)
        yield f"{SOURCES}/{path}", {"title": title, "body": f"<h1>{title}</h1><p>{path}</p>{code}"}, "page.html"


def drop_furo_js(_app, _page, _template, context, _doctree):
    """docs/_static/site.js tells why."""
    context["script_files"] = [script for script in context["script_files"] if not script.endswith("/furo.js")]


class Console(RegexLexer):
    """What is typed at the prompts of the lessons, and what comes back."""

    name = "console"
    tokens = {
        "root": [
            (r"^([a-z]*\$ |[a-z]+# |> )(.*\n)", bygroups(Generic.Prompt, Generic.Strong)),
            (r".*\n", Generic.Output),
        ]
    }


def setup(app):
    app.add_lexer("console", Console)
    app.add_post_transform(Links)
    app.connect("doctree-read", drop_contents)
    app.connect("env-before-read-docs", lambda _app, env, _names: setattr(env, "hookpoint_sources", set()))
    app.connect("html-collect-pages", source_pages)
    app.connect("html-page-context", drop_furo_js)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
