// Rules over what the controller logs in Application Insights (gitslot/record/log.py): one mail,
// page or call by the action group for what needs somebody. docs/run/watch.md has the queries.

param name string
param location string
param insightsId string
param actionGroup string

var lines = 'traces | where customDimensions.Category == "Host.Function.Console" and cloud_RoleName =~ "${name}-gitslot" | extend e = parse_json(message)'
var rules = {
  degraded: 'where e.event == "Stalled" and e.reason in ("ProductionDegraded", "SoakFailed")'
  stalled: 'where e.event == "Stalled" and e.reason !in ("ProductionDegraded", "SoakFailed")'
  frozen: 'where e.event == "Frozen"'
  'does-not-look': 'where e.event == "Looked"'
}

// The window is longer than a line takes to arrive; an alert that is open is not raised again.
resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in items(rules): {
  name: '${name}-gitslot-${rule.key}'
  location: location
  kind: 'LogAlert'
  properties: {
    severity: 1
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${lines} | ${rule.value}'
          timeAggregation: 'Count'
          operator: rule.key == 'does-not-look' ? 'LessThan' : 'GreaterThanOrEqual'
          threshold: 1
        }
      ]
    }
    actions: {
      actionGroups: [actionGroup]
    }
  }
}]
