/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which paths are the devices'. Lexical: nothing is looked up, symbolic links in the middle are not followed. Pure.
 */
#ifndef SOFTSGX_FRONT_DEVICE_PATH_H
#define SOFTSGX_FRONT_DEVICE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* As drv_fd_kind() counts. Whether DEVICE_2018 exists, --abi-2018 says. */
enum device { DEVICE_NONE, DEVICE_ENCLAVE, DEVICE_PROVISION, DEVICE_2018 };

/** device_name_plausible() - could @path, of @length bytes, be a device's? Looks at the last component: cheap. */
bool device_name_plausible(const char *path, size_t length);

/**
 * device_of_path() - the device that the absolute @path names; normalises @path in place. @directory: it ends so that
 * only a directory would do.
 */
enum device device_of_path(char *path, bool *directory);

#endif
