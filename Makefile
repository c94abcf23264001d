# pare: one flat Makefile.  Objects go to build/$(MODE)/; new files are found by wildcard.
#
#   MODE=release|asan|ubsan|debug    what kind of build
#   BUILD=dir                        where it goes (default build/$(MODE))
#   T="test_graph test_zoo"          which tests `make test` runs (default: all)

MODE ?= release
BUILD ?= build/$(MODE)
CC = gcc
# One short line per file; V=1 shows the commands.
Q = $(if $(V),,@)
say = @$(if $(V),true,echo "  $(patsubst $(BUILD)/%,%,$(1))")
ROOMS ?= base tensor kernel option graph space plugin io train infer search pipeline measure store sweep report

# pkg-config names; oneDNN ships no .pc file, so it is found by its header (see `make deps`).
PACKAGES = yaml-0.1 openblas papi cmocka sqlite3 libxxhash jansson zlib liblzma libcurl nettle
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS := $(shell pkg-config --libs $(filter-out cmocka,$(PACKAGES)) 2>/dev/null) -ldl -lm -lpthread
HAVE_DNNL := $(shell echo '\#include <dnnl.h>' | $(CC) -E - >/dev/null 2>&1 && echo 1)
ifeq ($(HAVE_DNNL),1)
DNNL_CFLAGS = -DPARE_HAVE_DNNL=1
LIBS += -ldnnl -lgomp
endif
COMMIT := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

CPPFLAGS += -D_GNU_SOURCE -Iharness/include -Iharness $(PKG_CFLAGS) $(DNNL_CFLAGS)
CFLAGS_COMMON = -std=c17 -fPIC -fvisibility=default -fopenmp-simd -ffp-contract=fast \
	-Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror=implicit
# -g1: lines for backtraces and profilers; full debug data doubles the time to compile the kernels.
CFLAGS_release = -O3 -g1
CFLAGS_debug = -O0 -g
# Checks as calls: inline they make the unrolled kernels take minutes to compile.
CFLAGS_asan = -O1 -g1 --param asan-instrumentation-with-call-threshold=0 -fsanitize=address -fno-omit-frame-pointer -DPARE_NO_CLONES
CFLAGS_ubsan = -O1 -g1 -fsanitize=undefined -fno-sanitize-recover=all -DPARE_NO_CLONES
CFLAGS += $(CFLAGS_COMMON) $(CFLAGS_$(MODE))
LDFLAGS += $(filter -fsanitize%,$(CFLAGS_$(MODE)))

LIB_SRC := $(foreach r,$(ROOMS),$(filter-out %.inc.c,$(wildcard harness/$(r)/*.c)))
# Every file in train/op/ is compiled twice: f32, and f64 for the proofs by finite differences.
OP_SRC := $(if $(filter train,$(ROOMS)),$(filter-out %.inc.c,$(wildcard harness/train/op/*.c)))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o) $(OP_SRC:%.c=$(BUILD)/%.f32.o) $(OP_SRC:%.c=$(BUILD)/%.f64.o)
CLI_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard harness/cli/*.c))
PLUGIN_SRC := $(wildcard methods/*/*.c) $(wildcard hwmodels/*.c)
PLUGINS := $(foreach s,$(PLUGIN_SRC),$(BUILD)/plugins/$(subst /,.,$(patsubst methods/%,%,$(s:.c=))).so)
SUPPORT_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
TEST_SRC := $(wildcard tests/unit/test_*.c tests/numerics/test_*.c tests/e2e/test_*.c)
TESTS := $(TEST_SRC:%.c=$(BUILD)/%)
DEVICES := $(patsubst %,$(BUILD)/%,$(wildcard hwmodels/*.yaml))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c))

.DEFAULT_GOAL := all
.PHONY: all lib plugins tests test bench asan ubsan fuzz lint fmt install clean deps quickstart help
.SECONDARY:

all: $(BUILD)/pare plugins $(DEVICES) ## build the program and its plugins

lib: $(BUILD)/libpare.so
plugins: $(PLUGINS)
tests: $(TESTS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(EXTRA_$(subst /,_,$*)) -MMD -MP -c $< -o $@

$(BUILD)/%.f32.o: %.c
	@mkdir -p $(@D)
	$(call say,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -DPARE_REAL_BITS=32 -MMD -MP -c $< -o $@

$(BUILD)/%.f64.o: %.c
	@mkdir -p $(@D)
	$(call say,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -DPARE_REAL_BITS=64 -MMD -MP -c $< -o $@

# The manifest names the commit: compiled again whenever that changes.
$(BUILD)/commit: FORCE
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' > $@
.PHONY: FORCE
$(BUILD)/harness/measure/machine.o: $(BUILD)/commit
EXTRA_harness_measure_machine = -DPARE_COMMIT='"$(COMMIT)"'
# The digits are the same bytes on every machine: no fused multiply-add.
EXTRA_harness_io_digits = -ffp-contract=off

$(BUILD)/libpare.so: $(LIB_OBJ)
	$(call say,$@)
	$(Q)$(CC) -shared $(LDFLAGS) $^ -o $@ $(LIBS)

$(BUILD)/pare: $(CLI_OBJ) $(BUILD)/libpare.so
	$(call say,$@)
	$(Q)$(CC) $(LDFLAGS) $(CLI_OBJ) -o $@ -L$(BUILD) -lpare -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib' $(LIBS)

define PLUGIN_RULE
$(BUILD)/plugins/$(subst /,.,$(patsubst methods/%,%,$(1:.c=))).so: $(BUILD)/$(1:.c=.o) $(BUILD)/libpare.so
	@mkdir -p $$(@D)
	$$(call say,$$@)
	$$(Q)$$(CC) -shared $$(LDFLAGS) $$< -o $$@ -L$$(BUILD) -lpare -lm
endef
$(foreach s,$(PLUGIN_SRC),$(eval $(call PLUGIN_RULE,$(s))))

# Device files stand beside the program, wherever it was built.
$(BUILD)/hwmodels/%.yaml: hwmodels/%.yaml
	@mkdir -p $(@D) && cp -f $< $@

# An archive: a test links those helpers that it calls, and so only the rooms that these need.
$(BUILD)/support.a: $(SUPPORT_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/support.a $(BUILD)/libpare.so
	$(call say,$@)
	$(Q)$(CC) $(LDFLAGS) $< $(BUILD)/support.a -o $@ -L$(BUILD) -lpare -Wl,-rpath,'$(abspath $(BUILD))' $(LIBS) $(shell pkg-config --libs cmocka)

test: ## install what is missing, build, and run all tests (T="name ..." runs some)
	@sh tests/support/ensure_deps.sh
	@$(MAKE) --no-print-directory BUILD=$(BUILD) MODE=$(MODE) run-tests

.PHONY: run-tests
run-tests: all $(if $(T),$(filter $(addprefix %/,$(T)),$(TESTS)),$(TESTS))
	@PARE=$(BUILD)/pare PARE_BUILD=$(abspath $(BUILD)) bash tests/support/run_tests.sh $(filter $(BUILD)/tests/%,$^)

deps: ## install the packages that are missing (Debian, Ubuntu)
	@sh tests/support/ensure_deps.sh

quickstart: ## install what is missing, build, and run the first sweep on embedded data
	@sh tests/support/ensure_deps.sh
	@$(MAKE) --no-print-directory -j$$(nproc) all
	$(BUILD)/pare run sweeps/quickstart.yaml

bench: ## measure training and inference, beside the peers where they are installed
	@$(MAKE) --no-print-directory all $(BENCHES)
	@PARE_BUILD=$(abspath $(BUILD)) bash tests/bench/run_bench.sh

asan: ## all tests under the address sanitizer
	@sh tests/support/ensure_deps.sh
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=asan all tests
	@ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 $(MAKE) --no-print-directory MODE=asan run-tests

ubsan: ## all tests under the undefined-behaviour sanitizer
	@sh tests/support/ensure_deps.sh
	@$(MAKE) --no-print-directory -j$$(nproc) MODE=ubsan all tests
	@$(MAKE) --no-print-directory MODE=ubsan run-tests

FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
# clang's libFuzzer; the library is compiled once more with its instrumentation.
fuzz: ## run every fuzz target for FUZZ_SECONDS each (needs clang)
	@$(MAKE) --no-print-directory -j$$(nproc) CC=clang BUILD=build/fuzz MODE=fuzz fuzzers
	@for f in $(notdir $(FUZZERS)); do \
	    corpus=tests/fuzz/corpus/$${f#fuzz_}; mkdir -p build/fuzz/new/$$f; \
	    build/fuzz/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	        build/fuzz/new/$$f $$corpus || exit 1; done
CFLAGS_fuzz = -O1 -g1 -fsanitize=fuzzer-no-link,address -fno-omit-frame-pointer -DPARE_NO_CLONES
.PHONY: fuzzers
fuzzers: $(FUZZERS)
$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/libpare.so
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fsanitize=fuzzer $< -o $@ -L$(BUILD) -lpare -Wl,-rpath,'$(abspath $(BUILD))' $(LIBS)

lint: ## formatting, the order of the rooms, static checks
	@sh tests/support/ensure_deps.sh --dev
	@clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h') && echo "formatting: ok"
	@bash tests/support/lint_rooms.sh
	@cppcheck --quiet --enable=warning --std=c11 --error-exitcode=1 --inline-suppr \
	    -Iharness/include -Iharness -j$$(nproc) \
	    $$(git ls-files 'harness/*.c' 'methods/*.c' 'hwmodels/*.c' | grep -v '[.]inc[.]c') && echo "cppcheck: ok"

PREFIX ?= /usr/local
install: all ## install below PREFIX (default /usr/local; DESTDIR is respected)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pare/plugins $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include/pare $(DESTDIR)$(PREFIX)/share/pare/hwmodels
	install -m 755 $(BUILD)/pare $(DESTDIR)$(PREFIX)/bin/pare
	install -m 644 $(BUILD)/libpare.so $(DESTDIR)$(PREFIX)/lib/
	install -m 644 $(BUILD)/plugins/*.so $(DESTDIR)$(PREFIX)/lib/pare/plugins/
	install -m 644 hwmodels/*.yaml $(DESTDIR)$(PREFIX)/share/pare/hwmodels/
	install -m 644 harness/include/pare/*.h $(DESTDIR)$(PREFIX)/include/pare/
	printf 'prefix=%s\nName: pare\nDescription: how far a neural network can be pared down\nVersion: 1\nCflags: -I$${prefix}/include\nLibs: -L$${prefix}/lib -lpare\n' \
	    '$(PREFIX)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/pare.pc

fmt: ## lay out all sources with clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

clean: ## remove build/
	rm -rf build

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
