// SPDX-License-Identifier: BSD-2-Clause
module exits

go 1.19
