// What the controller may do to the app that it swaps, and nothing else: role.json.

param appName string
param principal string

var least = loadJsonContent('role.json')

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, least.Name)
  properties: {
    roleName: '${least.Name} (${resourceGroup().name})'
    description: least.Description
    type: 'CustomRole'
    permissions: [
      {
        actions: least.Actions
        notActions: least.NotActions
        dataActions: least.DataActions
        notDataActions: least.NotDataActions
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: app
  name: guid(app.id, principal, least.Name)
  properties: {
    roleDefinitionId: definition.id
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}
