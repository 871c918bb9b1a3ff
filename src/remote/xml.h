// SPDX-License-Identifier: BSD-3-Clause
//
// What is asked of the XML that AWS answers with: the text of an element. No tree, no memory, no entities but the five.
#pragma once

#include <stddef.h>

// The first <name> ... </name> from p on; its text, decoded and cut to what out holds. Where reading may go on, or
// NULL: there is none, and out is empty.
const char *xml_text(const char *p, const char *name, char *out, size_t size);
// The same of the text as it stands: where it begins, and its end. NULL: there is none.
const char *xml_element(const char *p, const char *name, const char **end);
// Text as it stands in an element. Its length, or size and more where it does not fit.
size_t xml_quote(const char *text, char *out, size_t size);
