# SPDX-License-Identifier: GPL-2.0
#
# make help says what there is. Everything but `modules KDIR=` runs in the toolchain root, which is
# made when it is first needed (tools/env/).

ENTER := tools/env/enter.sh
DRIVER ?= both
T ?= *
TIME ?= 60
export FLAVOUR V

.DEFAULT_GOAL := help
.PHONY: help run demo check check-qemu soak list slices shell modules lint fuzz mutants clean distclean

help:
	@echo 'make run                 a VF with work in flight migrates, and you see it'
	@echo 'make demo                QEMU migrates a guest whose VF is busy, and you see it'
	@echo 'make check               the tests, but for some that take long: with ALL=1 these, too;'
	@echo '                         T="suite.case" (with * and ?) those, DRIVER=rust|c,'
	@echo '                         FLAVOUR=debug for a kernel with KASAN, lockdep, kmemleak;'
	@echo '                         SLICE=n for a part of all the rest, as CI runs one each time'
	@echo 'make check-qemu          all tests in which QEMU migrates a guest'
	@echo 'make soak                random jobs, and whether what they write is told; TIME=seconds each'
	@echo 'make list                the names of all test cases'
	@echo 'make slices              what the slices are (tools/kernel/flavours)'
	@echo 'make shell               a guest with a shell'
	@echo 'make modules [KDIR=…]    the modules, for a kernel of your own or the one under test'
	@echo 'make fuzz                fuzzes the device model; TIME=seconds for each target, T=target'
	@echo 'make mutants             whether the tests see small defects; takes hours, and goes on where it'
	@echo '                         was cut off; M=pattern those, N=10 ten chosen by the commit'
	@echo 'make lint                formatting, clippy, checkpatch, documentation, imports, words'
	@echo 'make clean               forgets what was built here'
	@echo 'make distclean           and the cache: toolchain, kernel'
	@echo 'With V=1, builds and guests are shown as they go.'

run:
	@DRIVER=$(filter rust c,$(DRIVER)) $(ENTER) tools/acc.sh demo

demo: export ACC_NESTED := 1
demo:
	@DRIVER=$(filter rust c,$(DRIVER)) $(ENTER) tools/acc.sh live

check check-qemu: export ACC_NESTED := 1
check:
ifneq ($(SLICE),)
	@tools/kernel/slice.sh run '$(SLICE)'
else
	@$(ENTER) tools/acc.sh check --driver $(DRIVER) $(if $(ALL),--all) '$(T)'
endif

check-qemu:
	@$(ENTER) tools/acc.sh check --driver $(DRIVER) 'qemu.* *.qemu_*'

soak: export ACC_SOAK := $(TIME)
soak:
	@$(ENTER) tools/acc.sh check --driver rust 'dirty.superset_*'

list:
	@$(ENTER) tools/acc.sh list

slices:
	@tools/kernel/slice.sh list

shell:
	@$(ENTER) tools/acc.sh shell

modules:
ifdef KDIR
	@tools/modules.sh '$(KDIR)'
else
	@$(ENTER) bash -c 'tools/modules.sh "$$(tools/kernel/flavour.sh)"'
endif
	@ls build/modules$(addprefix -,$(filter-out plain,$(FLAVOUR)))/*.ko

lint:
	@$(ENTER) tools/lint.sh

fuzz:
	@$(ENTER) tools/twin/fuzz/run.sh '$(TIME)' '$(T)'

mutants:
	@$(ENTER) tools/mutants/run.sh '$(or $(M),*)' '$(N)'

clean:
	rm -rf build

distclean: clean
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/hisi-acc-vfio-rs"
