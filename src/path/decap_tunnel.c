// SPDX-License-Identifier: BSD-3-Clause
#include "decap.h"
enum header decap_gre(struct walk *k)
{
	return 0;
}
enum header decap_erspan2(struct walk *k)
{
	return 0;
}
enum header decap_erspan3(struct walk *k)
{
	return 0;
}
enum header decap_wccp(struct walk *k)
{
	return 0;
}
enum header decap_etherip(struct walk *k)
{
	return 0;
}
enum header decap_udp(struct walk *k)
{
	return 0;
}
