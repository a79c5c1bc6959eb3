// Who may read and write which blobs. Data roles only: nobody here may list an account's keys.

param registryName string
param servingHostName string
param controllingHostName string
param servingPrincipal string
param controllingPrincipal string
param publisher string

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
var dataReader = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')
var dataContributor = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
var dataOwner = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b')

resource registry 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: registryName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: registry
  name: 'default'
}

resource models 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: 'models'
}

resource code 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: 'code'
}

resource journal 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: 'gitslot'
}

resource servingHost 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: servingHostName
}

resource controllingHost 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: controllingHostName
}

resource readModels 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in [servingPrincipal, controllingPrincipal]: {
  scope: models
  name: guid(models.id, principal, dataReader)
  properties: {
    roleDefinitionId: dataReader
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}]

resource readCode 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principal in [servingPrincipal, controllingPrincipal]: {
  scope: code
  name: guid(code.id, principal, dataReader)
  properties: {
    roleDefinitionId: dataReader
    principalId: principal
    principalType: 'ServicePrincipal'
  }
}]

resource writeJournal 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: journal
  name: guid(journal.id, controllingPrincipal, dataContributor)
  properties: {
    roleDefinitionId: dataContributor
    principalId: controllingPrincipal
    principalType: 'ServicePrincipal'
  }
}

// What a Functions host needs of its own account: leases, timers, function keys.
resource ownServingHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: servingHost
  name: guid(servingHost.id, servingPrincipal, dataOwner)
  properties: {
    roleDefinitionId: dataOwner
    principalId: servingPrincipal
    principalType: 'ServicePrincipal'
  }
}

resource ownControllingHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: controllingHost
  name: guid(controllingHost.id, controllingPrincipal, dataOwner)
  properties: {
    roleDefinitionId: dataOwner
    principalId: controllingPrincipal
    principalType: 'ServicePrincipal'
  }
}

resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(publisher)) {
  scope: registry
  name: guid(registry.id, publisher, dataContributor)
  properties: {
    roleDefinitionId: dataContributor
    principalId: publisher
  }
}
