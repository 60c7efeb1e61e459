// SPDX-License-Identifier: GPL-2.0
/* The tracepoints as functions, which is how Rust reaches them. */
#include <linux/pci.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

#include "helpers.h"

void vfio_rs_trace_state(struct pci_dev *pdev, u32 from, u32 to, int error)
{
	trace_vfio_rs_state(pci_name(pdev), from, to, error);
}
EXPORT_SYMBOL_GPL(vfio_rs_trace_state);

void vfio_rs_trace_stream(struct pci_dev *pdev, const char *what, u64 bytes)
{
	trace_vfio_rs_stream(pci_name(pdev), what, bytes);
}
EXPORT_SYMBOL_GPL(vfio_rs_trace_stream);

void vfio_rs_trace_dirty(struct pci_dev *pdev, const char *what, u32 why, u64 address, u64 bytes)
{
	trace_vfio_rs_dirty(pci_name(pdev), what, why, address, bytes);
}
EXPORT_SYMBOL_GPL(vfio_rs_trace_dirty);

void vfio_rs_trace_command(struct pci_dev *pdev, u32 command, u64 argument, int error)
{
	trace_vfio_rs_command(pci_name(pdev), command, argument, error);
}
EXPORT_SYMBOL_GPL(vfio_rs_trace_command);
