// SPDX-License-Identifier: BSD-2-Clause
/* Sets of a map's keys. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "map-internal.h"

#define FIRST_SLOTS 256

static __u64 mix(__u64 a, __u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return product ^ (product >> 64);
}

/* Keys may be what strangers sent us: without the secrets they could choose them to collide. */
static __u64 hash(const struct hp_keys *set, const char *key)
{
	__u64 h = set->secrets[0] ^ set->key_bytes, part;
	size_t left = set->key_bytes;

	for (; left >= sizeof(part); left -= sizeof(part), key += sizeof(part)) {
		memcpy(&part, key, sizeof(part));
		h = mix(h ^ part, set->secrets[1]);
	}
	part = 0;
	memcpy(&part, key, left);
	return mix(h ^ part, set->secrets[1]);
}

/* Where a key is looked for first. */
static __u32 first_slot(const struct hp_keys *set, const void *key)
{
	return hash(set, key) & (set->n_slots - 1);
}

/* The slot, from I on, that KEY is in, or that is free for it. */
static __u32 *find_from(const struct hp_keys *set, const void *key, __u32 i)
{
	__u32 mask = set->n_slots - 1;

	while (set->slots[i] &&
	       memcmp(set->keys + (set->slots[i] - 1) * set->key_bytes, key, set->key_bytes))
		i = (i + 1) & mask;
	return &set->slots[i];
}

static __u32 *find(const struct hp_keys *set, const void *key)
{
	return find_from(set, key, first_slot(set, key));
}

static int resize(struct hp_keys *set, __u32 n_slots)
{
	struct hp_keys grown = *set;

	if (!set->n_slots && getrandom(grown.secrets, sizeof(grown.secrets), 0) < 0)
		return -errno;
	grown.secrets[1] |= 1;
	grown.n_slots = n_slots;
	grown.slots = calloc(n_slots, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	grown.keys = realloc(set->keys, n_slots / 2 * set->key_bytes);
	if (!grown.keys) {
		free(grown.slots);
		return -ENOMEM;
	}
	for (__u32 i = 0; i < set->n; i++)
		*find(&grown, grown.keys + i * set->key_bytes) = i + 1;
	free(set->slots);
	*set = grown;
	return 0;
}

int hp_keys_reserve(struct hp_keys *set, size_t n)
{
	__u32 n_slots = set->n_slots ? set->n_slots : FIRST_SLOTS;

	while (n_slots / 2 < n && n_slots)
		n_slots *= 2;
	if (!n_slots)
		return -ENOMEM;
	return n_slots == set->n_slots ? 0 : resize(set, n_slots);
}

int hp_keys_add(struct hp_keys *set, const void *key, __u32 *number)
{
	__u32 *slot;
	int err = hp_keys_reserve(set, set->n + 1ULL);

	if (err)
		return err;
	slot = find(set, key);
	if (!*slot) {
		memcpy(set->keys + set->n * set->key_bytes, key, set->key_bytes);
		*slot = ++set->n;
	}
	*number = *slot - 1;
	return 0;
}

/* One key after the other would wait for memory three times each, when the set is a large one. */
void hp_keys_find(const struct hp_keys *set, const char *keys, __u32 n, __u32 *found)
{
	__u32 first[HP_KEYS_AT_ONCE], slot;

	for (__u32 i = 0; i < n; i++) {
		first[i] = first_slot(set, keys + i * set->key_bytes);
		__builtin_prefetch(&set->slots[first[i]]);
	}
	for (__u32 i = 0; i < n; i++) {
		slot = set->slots[first[i]];
		if (slot)
			__builtin_prefetch(set->keys + (slot - 1) * set->key_bytes);
	}
	for (__u32 i = 0; i < n; i++)
		found[i] = *find_from(set, keys + i * set->key_bytes, first[i]);
}

void hp_keys_free(struct hp_keys *set)
{
	free(set->slots);
	free(set->keys);
}
