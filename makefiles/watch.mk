##@ watch
