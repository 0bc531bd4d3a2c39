# SPDX-License-Identifier: BSD-2-Clause
# The one build recipe. A problem's Makefile sets NAME and includes this; it gets, from NAME.bpf.c and
# NAME.c, the object NAME.bpf.o, the skeleton NAME.skel.h and the loader NAME. Without a NAME.bpf.c it
# gets the loader.

COMMON := $(dir $(lastword $(MAKEFILE_LIST)))

BPFTOOL ?= $(shell $(COMMON)../scripts/find-bpftool)
CFLAGS  ?= -O2 -g
C_FLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-missing-field-initializers -I $(COMMON)
LDLIBS  := -lbpf -lelf -lz -ljansson -lmnl

HEADERS := $(filter-out %.skel.h,$(wildcard *.h))
SKELETON := $(patsubst %.bpf.c,%.skel.h,$(wildcard $(NAME).bpf.c))
TESTS   := $(patsubst %.c,%,$(wildcard test-*.c))

.DELETE_ON_ERROR:

$(NAME): $(NAME).c $(SKELETON) $(HEADERS) $(wildcard $(COMMON)*.h) $(COMMON)libhookpoint.a
	$(CC) $(CFLAGS) $(C_FLAGS) -o $@ $(filter %.c,$^) $(filter %.a,$^) $(LDLIBS)

# The names in a skeleton are names in C.
$(NAME).skel.h: $(NAME).bpf.o
	$(BPFTOOL) gen skeleton $< name $(subst -,_,$(NAME)) > $@

$(NAME).bpf.o: $(HEADERS)

include $(COMMON)bpf.mk

# Test programs of the problem's own; its Makefile names what goes into one besides test-X.c.
tests: $(TESTS)

$(TESTS): %: %.c $(SKELETON) $(HEADERS) $(COMMON)libhookpoint.a
	$(CC) $(CFLAGS) $(C_FLAGS) -I $(COMMON)../tests/packets -o $@ $(filter %.c,$^) \
		$(COMMON)libhookpoint.a $(LDLIBS)

$(COMMON)libhookpoint.a: $(wildcard $(COMMON)*.[ch])
	$(MAKE) -C $(COMMON)

clean:
	rm -f $(NAME) $(NAME).skel.h $(NAME).bpf.o $(TESTS)

.PHONY: tests clean
