// Three accounts without keys: the registry and journal, and one for each Functions host.
// Hosts own what is in theirs (keys, leases), which is no business of the other app's.

param name string
param location string

resource registry 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: '${name}registry'
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: registry
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 14
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [for container in ['models', 'code', 'gitslot']: {
  parent: blobs
  name: container
  properties: {
    publicAccess: 'None'
  }
}]

// Not locked: an Owner or Contributor can take it away (docs/run/azure.md says what that does).
resource keep 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2023-05-01' = [for i in range(0, 2): {
  parent: containers[i]
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: 30
  }
}]

resource hosts 'Microsoft.Storage/storageAccounts@2023-05-01' = [for app in ['serving', 'control']: {
  name: '${name}${app}'
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}]

output registryName string = registry.name
output servingHostName string = '${name}serving'
output controllingHostName string = '${name}control'
output blobs string = registry.properties.primaryEndpoints.blob
output account string = 'https://${registry.name}.blob.${environment().suffixes.storage}'
