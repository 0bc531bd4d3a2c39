# SPDX-License-Identifier: BSD-2-Clause
# How kernel-side C becomes an object. COMMON is this folder, with a slash at the end.

CLANG ?= clang
STRIP ?= llvm-strip

# Where this machine's own headers are (asm/types.h, by its architecture): clang for the BPF target
# does not look there by itself, so clang for this machine is asked.
SYSTEM_INCLUDES := $(shell $(CLANG) -E -v -x c /dev/null 2>&1 >/dev/null | \
	sed -n '/^\#include </,/^End/ { s/^ /-idirafter /p }')
BPF_CFLAGS := -target bpf -O2 -g -Wall $(SYSTEM_INCLUDES) -I $(COMMON)bpf

# -g is for BTF, which stays; the rest of what it brings does not.
%.bpf.o: %.bpf.c $(wildcard $(COMMON)bpf/*.h)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(STRIP) -g $@
