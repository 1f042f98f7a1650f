# Each target works on a fresh machine with Python 3.11+, git and make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := robot perception policies sim firmware_bridge tests examples benchmarks

# The story: it learns, it is judged, it flies alone while its second camera is gone.
DEMO_SEED := 1006
DEMO_SECONDS := 300

.PHONY: help demo test check format bench firmware install clean

help:
	@echo "make demo    a simulated quadrotor learns in flight to do without its second camera"
	@echo "make test    run the tests"
	@echo "make check   format, lint, types, import contracts, unsafe deserialising, spelling"
	@echo "make bench   measure what docs/results publishes (long)"
	@echo "make firmware the program of the microcontroller, build/firmware/reflexarc.elf"
	@echo "make install everything a developer needs, into .venv"

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv

# The stamp of the full install serves the demo too.
.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	@test .venv/.dev -nt pyproject.toml -a .venv/.dev -nt constraints.txt || \
	  $(PIP) install --quiet --constraint constraints.txt --editable '.[sim,train]'
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: .venv/.dev

demo: .venv/.demo
	$(BIN)/reflexarc run stereo_lost --in-process --seconds $(DEMO_SECONDS) --seed $(DEMO_SEED)

# A module's tests stay together, so that its fixtures are made once.
test: .venv/.dev
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: .venv/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/basedpyright --level error
	$(BIN)/lint-imports
	$(BIN)/python tests/unsafe_deserialising.py $(SOURCES)
	$(BIN)/codespell

format: .venv/.dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: .venv/.dev
	$(BIN)/python -m pytest -m budget
	$(BIN)/python -m benchmarks.stereo_motorcycle --out docs/results/stereo_motorcycle.json
	$(BIN)/python -m benchmarks.sad_speed --out docs/results/sad_speed.json
	$(BIN)/python -m benchmarks.texton_speed --out docs/results/texton_speed.json
	$(BIN)/python -m benchmarks.texton_flight --out docs/results/texton_flight.json
	$(BIN)/python -m benchmarks.mono_speed --out docs/results/mono_speed.json
	$(BIN)/python -m benchmarks.reward_speed --out docs/results/reward_speed.json
	$(BIN)/python -m benchmarks.arm_speed --out docs/results/arm_speed.json
	$(BIN)/python -m benchmarks.decoder_speed --out docs/results/decoder_speed.json
	$(BIN)/python -m benchmarks.decoder_fuzz --out docs/results/decoder_fuzz.json
	$(BIN)/python -m benchmarks.safety_coverage --out docs/results/safety_coverage.json
	$(BIN)/python -m benchmarks.arm_experts --out docs/results/arm_experts
	$(BIN)/python -m benchmarks.learner_cost --out docs/results/learner_cost.json
	$(BIN)/python -m benchmarks.learner_speed --out docs/results/learner_speed.json
	$(BIN)/python -m benchmarks.stereo_faults --seeds 201 202 203 204
	$(BIN)/python -m benchmarks.stereo_faults --quiet-only --seeds 205 206 207 208 209 210
	$(BIN)/python -m benchmarks.handover --seeds 1001 1002 1003
	$(BIN)/python -m benchmarks.machine_speed --out docs/results/machine_speed.json
	for file in safety limits framing; do \
	  $(BIN)/python -m benchmarks.mutation $$file.py --out docs/results/mutation_$${file}_py.json || exit 1; done
	$(BIN)/python -m benchmarks.mutation framing.c --out docs/results/mutation_framing_c.json
	for file in safety limits command_gate; do \
	  $(BIN)/python -m benchmarks.firmware_mutation $$file.c --out docs/results/mutation_$${file}_c.json || exit 1; done
	$(BIN)/python -m benchmarks.hil_latency --seconds 30 --out docs/results/hil_latency.json
	$(BIN)/python -m benchmarks.servo_bus --ticks 400 --out docs/results/servo_bus.json
	$(BIN)/python -m benchmarks.firmware_coverage --out docs/results/firmware_coverage.json
	$(BIN)/python -m benchmarks.firmware_fuzz --out docs/results/firmware_fuzz.json
	$(BIN)/python -m benchmarks.firmware_round_trip --out docs/results/firmware_round_trip.json
	$(BIN)/python -m benchmarks.messaging --out docs/results/messaging.json
	$(BIN)/python -m benchmarks.messaging --table hosts --out docs/results/messaging_hosts.json
	$(BIN)/python -m benchmarks.caterpillar --out docs/results/caterpillar.json
	$(BIN)/python -m benchmarks.fault_matrix
	$(BIN)/python -m benchmarks.room_flight --pilot reflex blind
	$(BIN)/python -m benchmarks.replay_study
	$(BIN)/python -m benchmarks.kill_study
	$(BIN)/python -m benchmarks.flight_hour
	$(BIN)/reflexarc study pssl --students network textons --seeds 0-9 --jobs 2
	$(BIN)/python examples/clone_pilot.py --out runs/clone.onnx
	$(BIN)/python -m benchmarks.room_flight --pilot clone constant --package runs/clone.onnx

# Needs Python's own library alone, and says what to install where the compiler is missing.
firmware:
	@$(PYTHON) -m firmware_bridge.emulators.chip_build build/firmware/reflexarc.elf

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
