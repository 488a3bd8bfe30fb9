// Headers for the test of make_slot_table.py, in the shapes that make a table hard to get right.
#pragma once

#define TRT_MAJOR_ENTERPRISE 42
#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE
#define NV_TENSORRT_MINOR 3
#define NV_TENSORRT_PATCH 1
#define NV_TENSORRT_BUILD 7
