// gitslot on Azure, from nothing: what docs/run/azure.md does line by line.
//   az deployment sub create -l francecentral -f infra/main.bicep -p name=iris7421 location=francecentral ...
// or `azd provision` (azure.yaml). No key and no secret is made or read.
targetScope = 'subscription'

@description('What every other name is made of: small letters and digits, unique in Azure.')
@minLength(3)
@maxLength(16)
param name string

@description('Azure region of everything.')
param location string

@description('Where desired_state.yaml lives: the https URL of a Git repository.')
param repository string

@description('Package of the serving app in the container code: VERSION/SHA256.zip.')
param servingPackage string

@description('Package of the controller in the container code: VERSION/SHA256.zip.')
param controllerPackage string

@description('Object id of the group or pipeline that registers models and packages; none where empty.')
param publisher string = ''

@description('Write the settings of the apps. True the first time only: afterwards they are gitslot\'s, and writing them again would take production back to the first package and to no model.')
param install bool = true

@description('Id of an action group that alerts call: Stalled, Frozen, Degraded, does not look. None where empty.')
param actionGroup string = ''

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: '${name}-gitslot'
  location: location
}

module gitslot 'gitslot.bicep' = {
  name: 'gitslot'
  scope: group
  params: {
    name: name
    location: location
    repository: repository
    servingPackage: servingPackage
    controllerPackage: controllerPackage
    publisher: publisher
    install: install
    actionGroup: actionGroup
  }
}

output GITSLOT_STORAGE string = gitslot.outputs.account
output GITSLOT_GROUP string = group.name
output GITSLOT_APP string = name
output GITSLOT_CONTROLLER string = gitslot.outputs.controllerName
