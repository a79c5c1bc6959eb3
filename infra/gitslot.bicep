// Everything in one resource group: storage, identities, a plan, the serving app, the controller.

param name string
param location string
param repository string
param servingPackage string
param controllerPackage string
param publisher string
param install bool
param actionGroup string

module storage 'storage.bicep' = {
  name: 'storage'
  params: {
    name: name
    location: location
  }
}

// Events go here, beside the journal. The connection string is an address, not a key.
resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${name}-logs'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${name}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
  }
}

module alerts 'alerts.bicep' = if (!empty(actionGroup)) {
  name: 'alerts'
  params: {
    name: name
    location: location
    insightsId: insights.id
    actionGroup: actionGroup
  }
}

// Two identities, so that what serves predictions can neither swap nor write the journal.
resource serving 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-serving'
  location: location
}

resource controlling 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-controlling'
  location: location
}

module access 'access.bicep' = {
  name: 'access'
  params: {
    registryName: storage.outputs.registryName
    servingHostName: storage.outputs.servingHostName
    controllingHostName: storage.outputs.controllingHostName
    servingPrincipal: serving.properties.principalId
    controllingPrincipal: controlling.properties.principalId
    publisher: publisher
  }
}

// Elastic Premium: the smallest plan for functions that scales by itself and has slots.
resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  kind: 'elastic'
  sku: {
    name: 'EP1'
    tier: 'ElasticPremium'
  }
  properties: {
    reserved: true
    maximumElasticWorkerCount: 3
  }
}

module servingApp 'app.bicep' = {
  name: 'serving-app'
  params: {
    name: name
    location: location
    planId: plan.id
    identityId: serving.id
    identityClient: serving.properties.clientId
    hostStorage: storage.outputs.servingHostName
    package: '${storage.outputs.blobs}code/${servingPackage}'
    slots: ['staging']
    install: install
    settings: {
      APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
      WEBSITE_SWAP_WARMUP_PING_PATH: '/api/health'
      WEBSITE_SWAP_WARMUP_PING_STATUSES: '200'
      WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG: '1'
    }
  }
  dependsOn: [access]
}

// An app of its own: a controller inside the app that it swaps would swap itself away.
module controllerApp 'app.bicep' = {
  name: 'controller-app'
  params: {
    name: '${name}-gitslot'
    location: location
    planId: plan.id
    identityId: controlling.id
    identityClient: controlling.properties.clientId
    hostStorage: storage.outputs.controllingHostName
    package: '${storage.outputs.blobs}code/${controllerPackage}'
    slots: []
    install: install
    settings: {
      APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
      AzureWebJobsDisableHomepage: 'true'
      GITSLOT_REPO: repository
      GITSLOT_STORAGE: storage.outputs.account
      GITSLOT_ARM: environment().resourceManager
      GITSLOT_APPS: name
    }
  }
  dependsOn: [access]
}

module role 'role.bicep' = {
  name: 'role'
  params: {
    appName: name
    principal: controlling.properties.principalId
  }
  dependsOn: [servingApp]
}

output account string = storage.outputs.account
output controllerName string = '${name}-gitslot'
