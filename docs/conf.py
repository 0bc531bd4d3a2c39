# SPDX-License-Identifier: BSD-2-Clause
"""The site, for sphinx-build -c docs . (make docs): its pages stay where they are in the tree."""
import pathlib
import sys

sys.dont_write_bytecode = True  # leave nothing beside the pages
sys.path.insert(0, str(pathlib.Path(__file__).parent))

project = "Hookpoint"
project_copyright = "the Hookpoint authors"
extensions = ["hookpoint_site"]
root_doc = "docs/index"
include_patterns = ["*.rst", "docs/**.rst", "problems/*/README.rst"]
highlight_language = "none"
smartquotes = False  # --help is two hyphens

html_theme = "furo"
html_title = "Hookpoint"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_additional_pages = {"index": "to-the-index.html"}
templates_path = ["_templates"]
html_copy_source = False
