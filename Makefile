# SPDX-License-Identifier: GPL-2.0
#
# `make help` lists the targets. All but `modules KDIR=` run in the toolchain root (tools/env/), which is
# made when a target first needs it.

ENTER := tools/env/enter.sh
DRIVER ?= both
T ?= *
TIME ?= 60
# The kernel that modules are installed for.
INSTALL_KDIR = $(or $(KDIR),/lib/modules/$(shell uname -r)/build)
export FLAVOUR KERNEL V

.DEFAULT_GOAL := help
.PHONY: help run demo check check-qemu bench report recording soak list slices shell modules modules_install accvf install uninstall deb kernel-deb \
	hw-report lint htmldocs fuzz mutants clean distclean

help:
	@echo 'make run                 shows a VF with requests in flight that migrates to another VF'
	@echo 'make demo                shows QEMU migrating a guest that keeps its VF busy'
	@echo 'make check               runs the tests, except those that take long. Options:'
	@echo '                           T="suite.case"   these cases (with * and ?, !pattern excludes)'
	@echo '                           DRIVER=rust|c    with this driver only'
	@echo '                           QUICK=1          first of all, in a few minutes: this driver, V3'
	@echo '                           ALL=1            also the cases that take long'
	@echo '                           FLAVOUR=debug    in a kernel with KASAN, lockdep, kmemleak'
	@echo '                           FLAVOUR=host     in a kernel with cgroups, signed modules: runs'
	@echo '                                            libvirt (tools/kernel/flavours)'
	@echo '                           KERNEL=7.3       in this kernel, or in the newest that Debian'
	@echo '                                            has (KERNEL=newest); also of make run, modules'
	@echo '                           KDIR=FOLDER      in a kernel that was built there'
	@echo '                           SLICE=n          one part of the other cases, as CI runs it'
	@echo 'make check-qemu          runs all cases in which QEMU migrates a guest'
	@echo 'make bench               measures this driver beside the C driver: accesses and times'
	@echo 'make report              shows the results of make check and make bench as one page:'
	@echo '                         build/report.html'
	@echo 'make recording           records what accvf says in a guest, for the documentation'
	@echo 'make soak                runs random jobs and compares what they write with what is'
	@echo '                         reported as dirty; TIME=seconds for each engine'
	@echo 'make list                lists all cases'
	@echo 'make slices              lists the slices (tools/kernel/flavours)'
	@echo 'make shell               boots a guest with a shell'
	@echo 'make modules [KDIR=…]    builds the modules, for your kernel or for the one under test'
	@echo 'make modules_install     installs the modules for KDIR= (default: the running kernel).'
	@echo '                         INSTALL_MOD_PATH= a folder in front of /lib/modules'
	@echo 'make accvf               builds the command line tool, with manual pages and completion'
	@echo 'make install             installs it. DESTDIR= a folder in front of /usr and /etc'
	@echo 'make uninstall           removes the tool and the modules. KDIR=, DESTDIR=, INSTALL_MOD_PATH='
	@echo 'make deb [KDIR=…]        makes Debian packages of both: build/deb'
	@echo 'make kernel-deb          makes packages of a kernel for a host, with headers for Rust:'
	@echo '                         build/kernel-deb. Options:'
	@echo '                           CONFIG=FILE      a configuration, instead of that of Debian'
	@echo '                           LSMOD=FILE       what lsmod says on the host: only these modules'
	@echo '                           KDIR=FOLDER      packs a kernel that was built there'
	@echo 'make hw-report           builds the program that asks a host with the hardware what nobody'
	@echo '                         here knows (Documentation/admin-guide/hw-report.rst)'
	@echo 'make fuzz                fuzzes the device model and accvf decode; TIME=seconds for each'
	@echo '                         target, T=target'
	@echo 'make mutants             checks that the tests see small defects. Takes hours, and continues'
	@echo '                         where it was interrupted; M=pattern: these, N=10: ten, chosen by'
	@echo '                         the commit'
	@echo 'make lint                checks formatting, clippy, checkpatch, documentation, imports, words'
	@echo 'make htmldocs            the documentation as pages: build/htmldocs'
	@echo 'make clean               deletes what was built here'
	@echo 'make distclean           also deletes the cache: toolchain, kernel'
	@echo 'With V=1, builds and guests are shown while they run.'

run:
	@DRIVER=$(filter rust c,$(DRIVER)) $(ENTER) tools/acc.sh run

demo: export ACC_NESTED := 1
demo:
	@DRIVER=$(filter rust c,$(DRIVER)) $(ENTER) tools/acc.sh demo

check check-qemu bench: export ACC_NESTED := 1
ifeq ($(QUICK),)
check: export ACC_DEBIAN := 1
# The flavour in which guests run libvirt.
ifeq ($(FLAVOUR),host)
check: export ACC_LIBVIRT := 1
endif
endif
check: export ACC_GUESTS := $(if $(ALL)$(filter qemu.*,$(T))$(findstring qemu.guest_6,$(T)),1)
check-qemu: export ACC_GUESTS := 1
check:
ifneq ($(SLICE),)
	@tools/kernel/slice.sh run '$(SLICE)'
else
	@$(ENTER) tools/acc.sh check --driver $(DRIVER) $(if $(ALL),--all) $(if $(QUICK),--quick) '$(T)'
endif

check-qemu:
	@$(ENTER) tools/acc.sh check --driver $(DRIVER) 'qemu.* *.qemu_*'

bench:
	@$(ENTER) tools/acc.sh check --all 'benchmark.*'
	@$(ENTER) bash -c 'cd tools && CARGO_TARGET_DIR=/work/build/cargo \
		cargo run -q --release -p acc-cosim -- costs'

REPORT := bash -c 'cd tools && CARGO_TARGET_DIR=/work/build/cargo \
	cargo build -q --release -p acc-report && cd .. && exec build/cargo/release/acc-report "$$@"' report

report:
	@$(ENTER) $(REPORT)

recording:
	@$(ENTER) tools/acc.sh check cli.recording
	@$(ENTER) $(REPORT) --recording --out Documentation/admin-guide/accvf-session.txt

soak: export ACC_SOAK := $(TIME)
soak:
	@$(ENTER) bash -c 'cd tools && CARGO_TARGET_DIR=/work/build/cargo \
		cargo run -q --release -p acc-cosim -- run --seconds $(TIME)'
	@$(ENTER) tools/acc.sh check --driver rust 'dirty.superset_*'

list:
	@$(ENTER) tools/acc.sh list

slices:
	@tools/kernel/slice.sh list

shell:
	@$(ENTER) tools/acc.sh shell

modules:
ifdef KDIR
	@KERNEL= tools/modules.sh '$(KDIR)'
	@ls build/modules$(addprefix -,$(filter-out plain,$(FLAVOUR)))/*.ko
else
	@$(ENTER) bash -c 'tools/modules.sh "$$(tools/kernel/flavour.sh)" && \
		. tools/env/common.sh && ls build/modules$$SUFFIX/*.ko'
endif

modules_install:
	@tools/packaging/modules.sh install '$(INSTALL_KDIR)' '$(INSTALL_MOD_PATH)'

accvf:
	@$(ENTER) tools/packaging/accvf.sh build
	@ls build/accvf/accvf

install:
	@tools/packaging/accvf.sh install '$(DESTDIR)'

uninstall:
	@tools/packaging/accvf.sh uninstall '$(DESTDIR)'
	@tools/packaging/modules.sh uninstall '$(INSTALL_KDIR)' '$(INSTALL_MOD_PATH)'

deb:
	@$(ENTER) bash -c 'set -e; kernel=$${KDIR:-$$(tools/kernel/flavour.sh)}; tools/modules.sh "$$kernel"; \
		tools/packaging/accvf.sh build; tools/packaging/deb.sh "$$kernel"'

kernel-deb:
ifneq ($(KDIR),)
	@$(ENTER) sh -c 'tools/packaging/kernel-deb.sh "$$KDIR"'
else
	@mkdir -p build
	@cp $(or $(CONFIG),$$(tools/env/kernel-config.sh)) build/kernel-deb.config
	@$(if $(LSMOD),cp $(LSMOD),:) build/kernel-deb.lsmod
	@$(ENTER) tools/packaging/kernel-deb.sh --config build/kernel-deb.config $(if $(LSMOD),build/kernel-deb.lsmod)
endif

hw-report:
	@$(ENTER) bash -c 'cd tools && CARGO_TARGET_DIR=/work/build/cargo cargo build -q --release \
		--target aarch64-unknown-linux-gnu -p hw-report'
	@ls build/cargo/aarch64-unknown-linux-gnu/release/hw-report

lint:
	@$(ENTER) tools/lint.sh

htmldocs:
	@$(ENTER) python3 -m sphinx -q -W -b html -C -D project=hisi-acc-vfio-rs -D root_doc=index \
		Documentation build/htmldocs
	@echo build/htmldocs/index.html

fuzz:
	@$(ENTER) tools/twin/fuzz/run.sh '$(TIME)' '$(T)'

mutants:
	@$(ENTER) tools/mutants/run.sh '$(or $(M),*)' '$(N)'

clean:
	rm -rf build

distclean: clean
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/hisi-acc-vfio-rs"
