/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints of the vfio crate: see debug.rs. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_rs

#if !defined(VFIO_RS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VFIO_RS_TRACE_H

#include <linux/tracepoint.h>
#include <linux/vfio.h>

#define vfio_rs_show_state(state)					\
	__print_symbolic(state,						\
			 { VFIO_DEVICE_STATE_STOP, "STOP" },		\
			 { VFIO_DEVICE_STATE_RUNNING, "RUNNING" },	\
			 { VFIO_DEVICE_STATE_STOP_COPY, "STOP_COPY" },	\
			 { VFIO_DEVICE_STATE_RESUMING, "RESUMING" },	\
			 { VFIO_DEVICE_STATE_RUNNING_P2P, "RUNNING_P2P" }, \
			 { VFIO_DEVICE_STATE_PRE_COPY, "PRE_COPY" },	\
			 { VFIO_DEVICE_STATE_PRE_COPY_P2P, "PRE_COPY_P2P" })

TRACE_EVENT(vfio_rs_state,
	TP_PROTO(const char *device, u32 from, u32 to, int error),
	TP_ARGS(device, from, to, error),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u32, from)
		__field(u32, to)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->from = from;
		__entry->to = to;
		__entry->error = error;
	),
	TP_printk("%s %s -> %s error=%d", __get_str(device), vfio_rs_show_state(__entry->from),
		  vfio_rs_show_state(__entry->to), __entry->error)
);

TRACE_EVENT(vfio_rs_stream,
	TP_PROTO(const char *device, const char *what, u64 bytes),
	TP_ARGS(device, what, bytes),
	TP_STRUCT__entry(
		__string(device, device)
		__string(what, what)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(what);
		__entry->bytes = bytes;
	),
	TP_printk("%s %s %llu bytes", __get_str(device), __get_str(what), __entry->bytes)
);

TRACE_EVENT(vfio_rs_dirty,
	TP_PROTO(const char *device, const char *what, u32 why, u64 address, u64 bytes),
	TP_ARGS(device, what, why, address, bytes),
	TP_STRUCT__entry(
		__string(device, device)
		__string(what, what)
		__field(u32, why)
		__field(u64, address)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(device);
		__assign_str(what);
		__entry->why = why;
		__entry->address = address;
		__entry->bytes = bytes;
	),
	TP_printk("%s %s why=%u %#llx+%#llx", __get_str(device), __get_str(what), __entry->why,
		  __entry->address, __entry->bytes)
);

TRACE_EVENT(vfio_rs_command,
	TP_PROTO(const char *device, u32 command, u64 argument, int error),
	TP_ARGS(device, command, argument, error),
	TP_STRUCT__entry(
		__string(device, device)
		__field(u32, command)
		__field(u64, argument)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->command = command;
		__entry->argument = argument;
		__entry->error = error;
	),
	TP_printk("%s command=%#x argument=%#llx error=%d", __get_str(device), __entry->command,
		  __entry->argument, __entry->error)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
