#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# bats file_tags=host
#
# The site, and the code that its pages quote. That what is typed in the pages works is tests of their own.

load helpers

copy=$BATS_TEST_TMPDIR/copy

need_sphinx() {
	local missing
	missing=$("$root/scripts/setup" --check docs | awk '$2 == "missing" { print $1 }' | paste -sd ' ')
	[[ ! $missing ]] || skip "not installed: $missing"
}

# What a clone of this tree would have, with what is not committed yet.
copy_tree() {
	mkdir "$copy"
	(cd "$root" && git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
		xargs -0 sh -c 'for file; do [ ! -e "$file" ] || cp --parents "$file" "$0"; done' "$copy")
}

# A site of one page, which is read from standard input, as the real one is made.
small_site() {
	mkdir -p "$copy/docs"
	cp -r "$root"/docs/{conf.py,docutils.conf,hookpoint_site.py,_static,_templates} "$copy/docs/"
	cat >"$copy/docs/index.rst"
	run sphinx-build -q -W --keep-going -c "$copy/docs" -d "$copy/trees" "$copy" "$copy/html"
}

@test "docs: make docs builds the site without a warning, and each link and anchor in it leads somewhere" {
	need_sphinx
	copy_tree
	run make -C "$copy" --no-print-directory docs
	assert_success
	refute_output --partial WARNING
	assert_line "the site is docs/_build/html/index.html"
	grep -q sockmap "$copy/docs/_build/html/searchindex.js"
	run python3 - "$copy/docs/_build/html" <<-'EOF'
		import html.parser, pathlib, sys, urllib.parse
		root = pathlib.Path(sys.argv[1]).resolve()
		class Page(html.parser.HTMLParser):
		    def __init__(self, path):
		        super().__init__()
		        self.ids, self.links = {"", None}, []
		        self.feed(path.read_text())
		    def handle_starttag(self, tag, attributes):
		        attributes = dict(attributes)
		        self.ids.add(attributes.get("id"))
		        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]
		pages = {path: Page(path) for path in root.rglob("*.html")}
		count = 0
		for path, page in pages.items():
		    for link in page.links:
		        url = urllib.parse.urlsplit(link)
		        if url.scheme:
		            continue
		        count += 1
		        target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
		        if not target.is_file() or target in pages and url.fragment not in pages[target].ids:
		            print(f"{path.relative_to(root)}: {link}")
		print(f"{len(pages)} pages, links: {count}")
	EOF
	assert_output --regexp '^[0-9]+ pages, links: [0-9]{4,}$'
}

@test "docs: a link, an anchor, a picture and a page that are not there, and a mistake in a page, are errors" {
	need_sphinx
	mkdir -p "$copy/docs"
	printf 'Other\n=====\n\nHere\n----\n' | tee "$copy/docs/other.rst" >"$copy/docs/forgotten.rst"
	echo 'int main(void);' >"$copy/main.c"
	small_site <<-'EOF'
		Page
		====

		.. contents::

		`page <other.rst>`__, `section <other.rst#here>`__, `source <../main.c>`__, `elsewhere <https://kernel.org/>`__.

		`a <nothing.rst>`__, `b <../nothing.c>`__, `c <other.rst#there>`__, `d <../main.c#there>`__,
		`e <../../outside.c>`__.

		.. image:: nothing.svg

		*a mistake

		.. toctree::

		   other

		Section
		-------
	EOF
	assert_failure
	assert_line --regexp 'index.rst.*WARNING: link to nothing: nothing.rst$'
	assert_line --regexp 'index.rst.*WARNING: link to nothing: ../nothing.c$'
	assert_line --regexp 'index.rst.*WARNING: no section there in docs/other.rst$'
	assert_line --regexp 'index.rst.*WARNING: link to nothing: ../main.c#there$'
	assert_line --regexp 'index.rst.*WARNING: link to nothing: ../../outside.c$'
	assert_line --regexp 'index.rst.*WARNING: image file not readable: docs/nothing.svg$'
	assert_line --regexp 'index.rst.*WARNING: Inline emphasis start-string without end-string.$'
	assert_line --regexp "forgotten.rst: WARNING: document isn't included in any toctree$"
	assert_equal "$(grep -c WARNING <<<"$output")" 8
	grep -q 'href="other.html#here"' "$copy/html/docs/index.html"
	grep -q 'href="../sources/main.c.html"' "$copy/html/docs/index.html"
	grep -q '<span class="kt">int</span>' "$copy/html/sources/main.c.html"
	run grep -e '/furo.js' -e 'class="contents' "$copy/html/docs/index.html"
	assert_failure 1
}

@test "docs: a page's code is what its source says, or scripts/quote --check fails" {
	run "$root/scripts/quote" --check
	assert_success
	refute_output --partial "names no source"
}

# Two functions whose last lines are alike, and the page that quotes from them.
quoted_page() {
	mkdir -p "$copy"
	cd "$copy" || return
	printf 'int one(void)\n{\n\treturn 1;\n}\n\nint two(void)\n{\n\tif (one())\n\t\treturn 1;\n\treturn 2;\n}\n' >main.c
	cat >page.rst <<-'EOF'
		.. from: main.c
		.. code-block:: c

		    int one(void)
		    {
		    	return 1;
		    }

		    int two(void)
		    {
		    	if (one())
		    		return 1;
		    	return 2;
		    }

		What stands behind it.
	EOF
}

quote() { run "$root/scripts/quote" "$@" page.rst; }

@test "quote: takes a piece anew from its source, between its first and its last line" {
	quoted_page
	cp page.rst before.rst
	quote --check
	assert_success
	sed -i '0,/return 1;/s//\/* more *\/\n\n\treturn 3;/' main.c
	quote --check
	assert_failure 1
	assert_output "page.rst: its code is not what its sources say: run scripts/quote"
	cmp page.rst before.rst
	quote
	assert_success
	quote --check
	assert_success
	run diff <(sed -n '/^    /,${ s/^    //; /^What/d; p }' page.rst) <(cat main.c; echo)
	assert_output ""
	assert_equal "$(tail -n 1 page.rst)" "What stands behind it."
}

@test "quote: a piece whose ends are gone or ambiguous, whose source is gone, or that names none, is refused" {
	quoted_page
	sed 's/int one(void)/int uno(void)/' main.c >gone.c
	cat main.c main.c >twice.c
	sed '$d' main.c >endless.c # there is one, of the first function
	cp page.rst good.rst
	for source in gone twice endless nothing; do
		sed "s/main.c/$source.c/" good.rst >page.rst
		quote --check
		assert_failure 1
		assert_output --partial "page.rst:2: $source.c: "
		[[ $source != endless ]] || assert_output --partial "its last line is not there: }"
	done
	assert_output "page.rst:2: nothing.c: No such file or directory"
	sed 's/^.. from.*/.. Some comment./' good.rst >page.rst
	quote --check
	assert_failure 1
	assert_output "page.rst:2: names no source"
	sed 's/^.. from.*/.. not from a source: what not to do/' good.rst >page.rst
	quote --check
	assert_success
	assert_output "page.rst:2: not from a source: what not to do"
	rm page.rst
	quote --check
	assert_failure 1
	assert_output "page.rst: No such file or directory"
}
