// Rules over what the controller logs in Application Insights (gitslot/record/log.py): one mail,
// page or call by the action group for what needs somebody. docs/run/watch.md has the queries.

param name string
param location string
param insightsId string
param actionGroup string

var lines = 'traces | where customDimensions.Category == "Host.Function.Console" and cloud_RoleName =~ "${name}-gitslot" | extend e = parse_json(message)'
var rules = [
  {
    name: 'degraded'
    severity: 1
    query: 'where e.event == "Stalled" and e.reason in ("ProductionDegraded", "SoakFailed")'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'stalled'
    severity: 2
    query: 'where e.event == "Stalled" and e.reason !in ("ProductionDegraded", "SoakFailed")'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'frozen'
    severity: 1
    query: 'where e.event == "Frozen"'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'does-not-look'
    severity: 1
    query: 'where e.event == "Looked"'
    operator: 'LessThan'
    threshold: 1
  }
]

// The window is longer than a line takes to arrive; an alert that is open is not raised again.
resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${name}-gitslot-${rule.name}'
  location: location
  kind: 'LogAlert'
  properties: {
    severity: rule.severity
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${lines} | ${rule.query}'
          timeAggregation: 'Count'
          operator: rule.operator
          threshold: rule.threshold
        }
      ]
    }
    actions: {
      actionGroups: [actionGroup]
    }
  }
}]
