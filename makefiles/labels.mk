.PHONY: demo-drift
demo-drift: $(MONITORING) ##+ see drift come, be found, be answered and go: three minutes
	@$(CLI) demo-drift
FILE ?=
export FILE
.PHONY: labels
labels: $(READY) ## add what was true to the logged predictions: make labels FILE=labels.csv
	@$(CLI) labels "$$FILE"
