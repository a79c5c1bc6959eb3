"""
Kudu, the SCM host of every slot: packages are uploaded here, and asked after.

Behaviour and words: projectkudu/kudu and Azure-App-Service/KuduLite (PushDeploymentController,
DeploymentController, SettingsController, DeployResult), and answers of Azure in public transcripts.
"""
