"""What people type: of each command, the examples of its help, divided by `|`."""

EXAMPLES = """\
status --watch | status --app churn-prod --live
plan HEAD | plan --file desired_state.yaml
logs --since 2h | logs churn-prod --commit 9f3c2ab
history | history --at 13:27
validate | validate --offline apps/churn-prod.yaml
bump production 1.5.0 | bump staging 1.6.0 churn-prod --pin
rollback --dry-run | rollback churn-prod --to 1.4.0
suspend --reason "incident 7, sam" | suspend churn-prod --reason "quarter end, sam"
resume | resume churn-prod
wait --for synced --timeout 15m | wait churn-prod --commit 9f3c2ab
reconcile --dry-run | reconcile churn-prod
retry | retry churn-prod
register --from model.skops --sample rows.csv --model churn --version 1.5.0
models | models churn 1.5.0
package --version 3.1.0 | package my_app --version 3.2.0
init releases --app churn-prod | init --env dev --env prod
adopt churn-prod | adopt churn-prod - --slots
doctor | doctor churn-prod -v
azure record churn-prod | azure record churn-prod --for 60
local up | local up --latency recorded
local down | local down --wipe
local env | local env --output json
local demo | local demo --results demo.json
"""
