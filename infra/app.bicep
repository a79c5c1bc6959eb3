// A Function App on Linux that runs from a package in Blob Storage, read with its own identity.
// No Azure Files: that would need an account key in the settings
// (https://learn.microsoft.com/azure/azure-functions/storage-considerations#create-an-app-without-azure-files).

param name string
param location string
param planId string
param identityId string
param identityClient string
param hostStorage string
param package string
param slots array
param settings object
param install bool

var identity = {
  type: 'UserAssigned'
  userAssignedIdentities: {
    '${identityId}': {}
  }
}

// Without appSettings on purpose: a deployment that names them replaces all that a slot has.
var site = {
  serverFarmId: planId
  reserved: true
  httpsOnly: true
  clientAffinityEnabled: false
  keyVaultReferenceIdentity: identityId
  siteConfig: {
    linuxFxVersion: 'Python|3.13'
    ftpsState: 'Disabled'
    minTlsVersion: '1.2'
    scmMinTlsVersion: '1.2'
    http20Enabled: true
  }
}

var all = union({
  FUNCTIONS_EXTENSION_VERSION: '~4'
  FUNCTIONS_WORKER_RUNTIME: 'python'
  AZURE_CLIENT_ID: identityClient
  AzureWebJobsStorage__accountName: hostStorage
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClient
  WEBSITE_RUN_FROM_PACKAGE: package
  WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID: identityId
}, settings)

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  kind: 'functionapp,linux'
  identity: identity
  properties: site
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = if (install) {
  parent: app
  name: 'appsettings'
  properties: all
}

resource slot 'Microsoft.Web/sites/slots@2024-04-01' = [for each in slots: {
  parent: app
  name: each
  location: location
  kind: 'functionapp,linux'
  identity: identity
  properties: site
  dependsOn: [appSettings]
}]

resource slotSettings 'Microsoft.Web/sites/slots/config@2024-04-01' = [for (each, index) in (install ? slots : []): {
  parent: slot[index]
  name: 'appsettings'
  properties: all
}]

// Nobody deploys with a password: packages come from the registry, people come with a token. FTP
// is off altogether (ftpsState).
resource noBasic 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource noBasicOnSlots 'Microsoft.Web/sites/slots/basicPublishingCredentialsPolicies@2024-04-01' = [for (each, index) in slots: {
  parent: slot[index]
  name: 'scm'
  properties: {
    allow: false
  }
}]
