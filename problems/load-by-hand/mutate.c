// SPDX-License-Identifier: BSD-2-Clause
/*
 * Damages object files where it hurts: besides flipping bits and cutting off the end, it knows
 * where sizes, offsets and indexes are, and makes them lie.
 */
#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "mutate.h"

struct image {
	unsigned char *bytes;
	size_t size;
	uint64_t state;
};

/* splitmix64 */
static uint64_t next(struct image *image)
{
	uint64_t z = image->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t below(struct image *image, size_t limit)
{
	return limit ? next(image) % limit : 0;
}

/* Writes a value of WIDTH bytes that is at the edge of something. */
static void lie(struct image *image, size_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset > image->size || width > image->size - offset)
		return;
	memcpy(&value, image->bytes + offset, width);
	switch (below(image, 9)) {
	case 0:
		value = 0;
		break;
	case 1:
		value = -1;
		break;
	case 2:
		value = 1ULL << below(image, 8 * width);
		break;
	case 3:
		value = (1ULL << below(image, 8 * width)) - 1;
		break;
	case 4:
		value += below(image, 33) - 16;
		break;
	case 5:
		value = image->size - below(image, 64);
		break;
	case 6:
		value = below(image, image->size);
		break;
	case 7:
		value = below(image, 40);
		break;
	default:
		value = next(image);
	}
	memcpy(image->bytes + offset, &value, width);
}

/* Reads the header of a section: any, or one of TYPE. Where it is must not be damaged yet. */
static bool any_section(struct image *image, uint32_t type, Elf64_Shdr *section, size_t *at)
{
	Elf64_Ehdr header;

	memcpy(&header, image->bytes, sizeof(header));
	for (int tries = 0; tries < 200; tries++) {
		*at = header.e_shoff + below(image, header.e_shnum) * sizeof(*section);
		if (*at > image->size || sizeof(*section) > image->size - *at)
			continue;
		memcpy(section, image->bytes + *at, sizeof(*section));
		if (type == SHT_NULL || section->sh_type == type)
			return true;
	}
	return false;
}

/* A field of the structure at AT, whose fields have the WIDTHS. */
static void lie_in_field(struct image *image, size_t at, const char *widths)
{
	size_t field = below(image, strlen(widths));

	for (size_t i = 0; i < field; i++)
		at += widths[i] - '0';
	lie(image, at, widths[field] - '0');
}

static void damage_header(struct image *image)
{
	lie_in_field(image, EI_NIDENT, "2248884222222");
}

static void damage_section_header(struct image *image)
{
	Elf64_Shdr section;
	size_t at;

	if (any_section(image, SHT_NULL, &section, &at))
		lie_in_field(image, at, "4488884488");
}

static void swap_sections(struct image *image)
{
	Elf64_Shdr one, other;
	size_t at, other_at;

	if (!any_section(image, SHT_NULL, &one, &at) ||
	    !any_section(image, SHT_NULL, &other, &other_at))
		return;
	memcpy(image->bytes + at, &other, sizeof(other));
	if (below(image, 2))
		memcpy(image->bytes + other_at, &one, sizeof(one));
}

static void damage_symbol(struct image *image)
{
	Elf64_Shdr section;
	size_t at;

	if (any_section(image, SHT_SYMTAB, &section, &at))
		lie_in_field(image,
			     section.sh_offset + below(image, section.sh_size / sizeof(Elf64_Sym)) *
							 sizeof(Elf64_Sym),
			     "411288");
}

static void damage_relocation(struct image *image)
{
	Elf64_Shdr section;
	size_t at;

	if (any_section(image, SHT_REL, &section, &at))
		lie_in_field(image,
			     section.sh_offset + below(image, section.sh_size / sizeof(Elf64_Rel)) *
							 sizeof(Elf64_Rel),
			     "844");
}

/* A word of a section: of code, of the definition of a map, of BTF. */
static void damage_word(struct image *image)
{
	Elf64_Shdr section;
	size_t at;

	if (any_section(image, SHT_PROGBITS, &section, &at))
		lie(image, section.sh_offset + below(image, section.sh_size / 4) * 4, 4);
}

/* The header of BTF, and then that of a type, have numbers in all places. */
static void damage_begin(struct image *image)
{
	Elf64_Shdr section;
	size_t at;

	if (any_section(image, SHT_PROGBITS, &section, &at))
		lie(image, section.sh_offset + below(image, 12) * 4, 4);
}

static void flip(struct image *image)
{
	for (size_t n = 1 + below(image, 8); n; n--)
		image->bytes[below(image, image->size)] ^= 1 << below(image, 8);
}

static void cut(struct image *image)
{
	image->size = below(image, image->size);
}

void mutate(unsigned char *file, size_t *size, uint64_t seed)
{
	static void (*const damages[])(struct image *) = {
		damage_header, damage_section_header, swap_sections, damage_symbol,
		damage_symbol, damage_relocation,     damage_word,   damage_begin,
		damage_word,   damage_relocation,     flip,	     cut,
	};
	struct image image = { .bytes = file, .size = *size, .state = seed };

	for (size_t n = 1 + below(&image, 3); n && image.size > sizeof(Elf64_Ehdr); n--)
		damages[below(&image, sizeof(damages) / sizeof(*damages))](&image);
	*size = image.size;
}
