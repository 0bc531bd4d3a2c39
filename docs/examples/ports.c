// SPDX-License-Identifier: BSD-2-Clause
/* Puts sets of ports together, with the installed library. docs/install.rst builds it. */
#include <stdio.h>
#include <hookpoint.h>

int main(int argc, char **argv)
{
	__u64 ports[1024] = {};
	const char *why;
	char text[80];

	for (int i = 1; i < argc; i++)
		if (hp_ports_add(ports, argv[i], &why))
			return puts(why), 1;
	hp_ports_text(ports, text, sizeof(text));
	puts(text);
	return 0;
}
