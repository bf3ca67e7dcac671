/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of options of softsgx run that have a grammar of their own. False after a message that names option and value. */
#ifndef SOFTSGX_TOOLS_RUN_OPTIONS_H
#define SOFTSGX_TOOLS_RUN_OPTIONS_H

#include "front/config.h"

bool delivery_parse(const char *list, struct rt_config *config);
bool abi_2018_parse(const char *list, struct rt_config *config);
bool aex_parse(const char *when, struct rt_config *config);

#endif
