# SPDX-License-Identifier: GPL-2.0
#
# How bindgen is run: with what the C compiler is given, but for the flags that libclang does not take.
# Included by Kbuild, and by the tests of it (tools/testing/modules/).

# The kernel's rust/Makefile names the flags to leave out. Headers may come without that file: the
# second list is Linux 7.2's.
bindgen_makefile := $(firstword $(wildcard $(srctree)/rust/Makefile $(objtree)/source/rust/Makefile))
bindgen_skip_kernel := $(if $(bindgen_makefile),$(shell sed -n \
	-e '/^bindgen_skip_c_flags *:*=/,/[^\\]$$/{s/^bindgen_skip_c_flags *:*= *//;s/\\$$//;p}' $(bindgen_makefile)))
bindgen_skip_known := -mno-fp-ret-in-387 -mpreferred-stack-boundary=% -mskip-rax-setup \
	-mgeneral-regs-only -msign-return-address=% -mindirect-branch=thunk-extern \
	-mindirect-branch-register -mfunction-return=thunk-extern -mrecord-mcount \
	-mabi=lp64 -mindirect-branch-cs-prefix -mstack-protector-guard% \
	-mtraceback=no -mno-pointers-to-nested-functions -mno-string -mno-strict-align \
	-mstrict-align -mdirect-extern-access -mexplicit-relocs -mno-check-zero-division \
	-fconserve-stack -falign-jumps=% -falign-loops=% -femit-struct-debug-baseonly \
	-fno-ipa-cp-clone -fno-ipa-sra -fno-partial-inlining -fplugin-arg-arm_ssp_per_task_plugin-% \
	-fno-reorder-blocks -fno-allow-store-data-races -fasan-shadow-offset=% \
	-fzero-call-used-regs=% -fno-stack-clash-protection -fno-inline-functions-called-once \
	-fsanitize=bounds-strict -fstrict-flex-arrays=% -fmin-function-alignment=% \
	-fzero-init-padding-bits=% -mno-fdpic -fdiagnostics-show-context -fdiagnostics-show-context=% \
	--param=% --param asan-% -fno-isolate-erroneous-paths-dereference
bindgen_skip := $(or $(bindgen_skip_kernel),$(bindgen_skip_known))

bindgen_target_x86 := x86_64-linux-gnu
bindgen_target_arm64 := aarch64-linux-gnu
bindgen_target := $(or $(bindgen_target_$(SRCARCH)),$(SRCARCH)-linux-gnu)

# if_changed_dep,bindgen_crate: the first prerequisite is the header, the second has more parameters.
quiet_cmd_bindgen_crate = BINDGEN $(quiet_modtag) $@
      cmd_bindgen_crate = \
	mkdir -p $(dir $@) && \
	$(BINDGEN) $< $(shell grep -Ev '^\#|^$$' $(word 2,$^)) --rust-target 1.85 \
		--use-core --ctypes-prefix ffi --no-layout-tests \
		--enable-function-attribute-detection -o $@ -- \
		$(filter-out $(bindgen_skip),$(c_flags)) -w --target=$(bindgen_target) \
		-fno-builtin -D__BINDGEN__ -DMODULE
