# SPDX-License-Identifier: BSD-2-Clause
# What a person types. `make help` lists it; the rules that build are in common/recipe.mk.

PROBLEMS := $(patsubst problems/%/Makefile,%,$(wildcard problems/*/Makefile))
NAME ?=
DEST ?=
KERNEL ?= 6.1
# What NAME says here is not for the Makefiles of the problems, which have a NAME of their own.
MAKEOVERRIDES := $(filter-out NAME=%,$(MAKEOVERRIDES))

# `sudo make` must not leave files of root's in a checkout of somebody else's.
OWNER := $(shell stat -c %u .)
ifeq ($(shell id -u),0)
ifneq ($(OWNER),0)
AS_OWNER := setpriv --reuid=$(OWNER) --regid=$(shell stat -c %g .) --clear-groups
endif
endif

all: build ## build every problem and every test (the default)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## tell the story of every problem, or of NAME=..., with real packets (root)
	@scripts/setup build demo
	@echo "building"
	@$(AS_OWNER) $(MAKE) --no-print-directory -s build
	@scripts/demo $(NAME)

test: ## run every test, or those of NAME=... (root)
	@scripts/setup build demo test
	@echo "building"
	@$(AS_OWNER) $(MAKE) --no-print-directory -s build tests
	@scripts/test $(NAME)

vm: ## demo in a virtual machine, on KERNEL=6.1 (the default), 6.12, host or a file
	@scripts/setup build demo vm
	@echo "building"
	@$(AS_OWNER) $(MAKE) --no-print-directory -s build
	@scripts/vm --kernel "$(KERNEL)" -- scripts/demo $(NAME)

test-vm: ## run every test, or those of NAME=..., in virtual machines, on 6.1 and 6.12
	@scripts/setup build demo test vm
	@echo "building"
	@$(AS_OWNER) $(MAKE) --no-print-directory -s build tests
	@scripts/test-vm $(NAME)

test-docs: ## type what the pages say, and compare with what they show (root)
	@scripts/setup build demo test vm
	@echo "building"
	@$(AS_OWNER) $(MAKE) --no-print-directory -s build tests
	@scripts/test-docs

bench: ## measure every problem, or NAME=..., beside its peers (root)
	@scripts/setup build bench
	@echo "building"
	@$(AS_OWNER) $(MAKE) --no-print-directory -s build benches
	@scripts/bench $(NAME)

export: ## take a problem away: NAME=... into the folder DEST=..., which then builds alone
	@scripts/setup build
	@scripts/export "$$NAME" "$$DEST"

lint: ## check the style and the usual mistakes of all sources
	@scripts/setup build test lint
	@scripts/lint

docs: ## build the site of the documentation; check its links and the code it quotes
	@scripts/setup docs
	@scripts/quote --check
	@$(AS_OWNER) rm -rf docs/_build
	@$(AS_OWNER) sphinx-build -q -W --keep-going -c docs -d docs/_build/doctrees . docs/_build/html
	@echo "the site is docs/_build/html/index.html"

install: ## install tools and library below PREFIX=/usr/local; DESTDIR=... for packages
	@scripts/setup build install
	@$(AS_OWNER) $(MAKE) --no-print-directory -s build
	@scripts/install # which has PREFIX and DESTDIR from the environment, where make puts them

uninstall: ## remove what install installs
	@scripts/install --uninstall

doctor: ## what this machine has and lacks for each problem
	@scripts/doctor

build: $(PROBLEMS:%=build-%)
	@$(AS_OWNER) $(MAKE) --no-print-directory -C scripts/lib

build-%: common
	@$(AS_OWNER) $(MAKE) --no-print-directory -C problems/$*

common:
	@$(AS_OWNER) $(MAKE) --no-print-directory -C common

tests: build
	@$(AS_OWNER) $(MAKE) --no-print-directory -C tests
	@for name in $(PROBLEMS); do $(AS_OWNER) $(MAKE) --no-print-directory -C problems/$$name tests || exit; done

benches: build
	@$(AS_OWNER) $(MAKE) --no-print-directory -C tests bench bypass
	@$(AS_OWNER) $(MAKE) --no-print-directory -C problems/snoop-exec storm

clean: ## remove everything that was built
	@for dir in common scripts/lib tests $(PROBLEMS:%=problems/%); do \
		$(MAKE) --no-print-directory -C $$dir clean; done
	@rm -rf docs/_build

.PHONY: all help demo test vm test-vm test-docs bench lint docs export install uninstall doctor build common tests benches clean
