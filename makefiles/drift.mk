# What compares: Evidently and pandas, which only these targets need.
MONITORING := .venv/monitoring

$(MONITORING): $(READY)
	@echo "Installing Evidently once, about 890 MB more in .venv …" && \
	  $(UV) sync --quiet --inexact --group monitoring && touch $@

# A run in containers has an image that has it.
run: $(if $(filter monitoring- monitoring-subprocess,$(PIPELINE)-$(RUNNER)),$(MONITORING))

.PHONY: drift
drift: $(MONITORING) ## compare requests with training rows; a demo: make drift ARGS="drift.window_rows=500"
	@$(CLI) drift $(if $(VERSION),--version $(VERSION)) $(ARGS)
